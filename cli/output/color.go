package output

// Color is one of the few that mean something; the zero value is none.
type Color string

// The colours: good, on the way, bad, and of less interest.
const (
	Good Color = "32"
	Busy Color = "33"
	Bad  Color = "31"
	Dim  Color = "2"
)

// Paint puts text into a colour, if the printer may.
func (p *Printer) Paint(color Color, text string) string {
	if !p.Color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + string(color) + "m" + text + "\x1b[0m"
}

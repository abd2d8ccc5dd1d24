// Package output puts lists and objects on the screen: tables that fit the
// terminal, JSON, Go templates and ages, the same way for every command. It
// knows nothing of the cluster and asks nobody for anything.
package output

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Printer is where output goes and what it may look like there.
type Printer struct {
	Out io.Writer
	// Width and Height are the terminal's, in characters; 0 means no limit: not a
	// terminal.
	Width, Height int
	// Color allows escape sequences for colours.
	Color bool
}

// New looks at out: colours and the width are for terminals only, and NO_COLOR
// (https://no-color.org) set to anything switches colours off.
func New(out io.Writer, getenv func(string) string) *Printer {
	printer := &Printer{Out: out}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		printer.Color = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
		printer.Measure()
	}
	return printer
}

// Measure looks at the terminal's size again: windows are resized.
func (p *Printer) Measure() {
	if file, ok := p.Out.(*os.File); ok {
		if width, height, err := term.GetSize(int(file.Fd())); err == nil {
			p.Width, p.Height = width, height
		}
	}
}

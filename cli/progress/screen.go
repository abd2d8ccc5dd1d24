package progress

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/orc-project/orc/cli/output"
)

// screen shows states: redrawn in place on a terminal, else a line for each
// change.
type screen struct {
	printer *output.Printer
	drawn   int               // lines that stand on the terminal
	last    string            // what was drawn last, without the way back up
	said    map[string]string // what was printed last, by service
}

func newScreen(printer *output.Printer) *screen {
	return &screen{printer: printer, said: make(map[string]string)}
}

func (s *screen) draw(states []State) {
	switch {
	case s.printer == nil:
	case s.printer.Width > 0:
		s.redraw(states)
	default:
		for _, state := range states {
			s.say(state.Name, fmt.Sprintf("%s: %d/%d %s", state.Name, state.Running, state.Desired, text(state)))
		}
	}
}

func (s *screen) redraw(states []State) {
	width := 0
	for _, state := range states {
		width = max(width, utf8.RuneCountInString(state.Name))
	}
	var out strings.Builder
	for _, state := range states {
		mark, color := "·", output.Busy
		switch {
		case state.Failure != "":
			mark, color = "✘", output.Bad
		case state.Done:
			mark, color = "✔", output.Good
		}
		count := fmt.Sprintf("%d/%d", state.Running, state.Desired)
		line := fmt.Sprintf(" %-*s  %7s  %s", width, state.Name, count, text(state))
		fmt.Fprintf(&out, "\r\x1b[K%s%s\n", s.printer.Paint(color, mark), output.Cut(line, max(s.printer.Width-2, 1)))
	}
	for extra := len(states); extra < s.drawn; extra++ {
		out.WriteString("\r\x1b[K\n")
	}
	if out.String() == s.last && s.drawn > 0 {
		return
	}
	if s.drawn > 0 {
		fmt.Fprintf(s.printer.Out, "\x1b[%dA", s.drawn)
	}
	s.drawn, s.last = max(s.drawn, len(states)), out.String()
	fmt.Fprint(s.printer.Out, s.last)
}

// note prints a line that is about no service.
func (s *screen) note(text string) {
	if s.printer == nil {
		return
	}
	s.drawn = 0 // the next drawing stands below the note
	s.say("", text)
}

func (s *screen) say(about, line string) {
	if s.said[about] != line {
		s.said[about] = line
		fmt.Fprintln(s.printer.Out, line)
	}
}

func text(state State) string {
	if state.Failure != "" {
		return "failed"
	}
	return state.Note
}

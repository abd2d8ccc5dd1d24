package progress

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/orc-project/orc/cli/output"
)

// screen shows states: redrawn in place on a terminal, else a line for each
// change.
type screen struct {
	printer *output.Printer
	drawn   int               // lines that stand on the terminal
	width   int               // of the terminal, when they were drawn
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
	s.printer.Measure()
	if s.width != s.printer.Width {
		s.width, s.drawn = s.printer.Width, 0 // the old lines may be broken by now: begin anew below them
	}
	lines := s.lines(states)
	for len(lines) < s.drawn {
		lines = append(lines, "")
	}
	drawing := "\r\x1b[K" + strings.Join(lines, "\n\r\x1b[K") + "\n"
	if drawing == s.last && s.drawn > 0 {
		return
	}
	if s.drawn > 0 {
		fmt.Fprintf(s.printer.Out, "\x1b[%dA", s.drawn)
	}
	s.drawn, s.last = len(lines), drawing
	fmt.Fprint(s.printer.Out, s.last)
}

// lines are the states as far as the terminal has room: what is scrolled out of it
// cannot be drawn again.
func (s *screen) lines(states []State) []string {
	shown, rest := fit(states, s.printer.Height-1)
	width, digits := 0, 1
	for _, state := range shown {
		width = max(width, utf8.RuneCountInString(state.Name))
		digits = max(digits, len(strconv.Itoa(max(state.Running, state.Desired))))
	}
	width = min(width, max(s.printer.Width*2/5, 12))
	var lines []string
	for _, state := range shown {
		mark, color := "·", output.Busy
		switch {
		case state.Failure != "":
			mark, color = "✘", output.Bad
		case state.Done:
			mark, color = "✔", output.Good
		}
		count := fmt.Sprintf("%d/%d", state.Running, state.Desired)
		line := fmt.Sprintf(" %-*s  %*s  %s", width, output.CutMiddle(state.Name, width), 2*digits+1, count, text(state))
		lines = append(lines, s.printer.Paint(color, mark)+output.Cut(line, max(s.printer.Width-2, 1)))
	}
	if len(rest) > 0 {
		done := 0
		for _, state := range rest {
			if state.Done {
				done++
			}
		}
		lines = append(lines, output.Cut(fmt.Sprintf("  and %d more, %d of them converged", len(rest), done), max(s.printer.Width-1, 1)))
	}
	return lines
}

// fit chooses the states that are shown in so many lines, the last of which tells of
// the rest: what failed comes before what is on its way, and that before what is done.
func fit(states []State, lines int) (shown, rest []State) {
	if len(states) <= lines || lines <= 0 {
		return states, nil
	}
	rank := func(state State) int {
		switch {
		case state.Failure != "":
			return 0
		case state.Done:
			return 2
		}
		return 1
	}
	sorted := slices.Clone(states)
	slices.SortStableFunc(sorted, func(a, b State) int { return rank(a) - rank(b) })
	return sorted[:lines-1], sorted[lines-1:]
}

// note prints a line that is about no service.
func (s *screen) note(text string) {
	if s.printer == nil {
		return
	}
	s.drawn = 0 // the next drawing stands below the note
	s.say("", text)
}

// leave goes to a line of its own: a terminal shows the user's Ctrl-C on this one.
func (s *screen) leave() {
	if s.printer != nil && s.printer.Width > 0 {
		fmt.Fprintln(s.printer.Out)
	}
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

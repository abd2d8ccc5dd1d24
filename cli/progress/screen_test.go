package progress

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/cli/output"
)

func TestALongNameLeavesRoomForWhatIsSaidOfIt(t *testing.T) {
	s := newScreen(&output.Printer{Width: 60, Height: 24})
	require.Equal(t, []string{
		"· shop_a-rath…er-the-first  0/2  slot 1 preparing: pulling…",
		"✔ shop_a-rath…r-the-second  2/2  converged",
	}, s.lines([]State{
		{Name: "shop_a-rather-long-name-number-the-first", Desired: 2, Note: "slot 1 preparing: pulling web:1"},
		{Name: "shop_a-rather-long-name-number-the-second", Running: 2, Desired: 2, Done: true, Note: "converged"},
	}))
}

func TestNoMoreIsDrawnThanTheTerminalHasRoomFor(t *testing.T) {
	s := newScreen(&output.Printer{Width: 40, Height: 5})
	states := make([]State, 6)
	for i := range states {
		states[i] = State{Name: fmt.Sprint("s", i), Desired: 1, Done: i < 3, Note: "x"}
	}
	states[5].Failure = "it is bad"
	require.Equal(t, []string{
		"✘ s5  0/1  failed",
		"· s3  0/1  x",
		"· s4  0/1  x",
		"  and 3 more, 3 of them converged",
	}, s.lines(states))
	require.Len(t, s.lines(states[:4]), 4)
	s.printer.Height = 0
	require.Len(t, s.lines(states), 6)
}

func TestAResizedTerminalIsDrawnOnAnew(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&output.Printer{Out: &out, Width: 40})
	s.draw([]State{{Name: "web", Note: "a"}, {Name: "db"}})
	s.draw([]State{{Name: "web", Note: "b"}})
	require.Equal(t, 1, strings.Count(out.String(), "\x1b[2A"), "in place")
	out.Reset()
	s.printer.Width = 20
	s.draw([]State{{Name: "web", Note: "c"}})
	require.NotContains(t, out.String(), "A", "below")
	require.NotContains(t, out.String(), "\n\n")
}

func TestCtrlCIsLeftOnALineOfItsOwn(t *testing.T) {
	var out bytes.Buffer
	newScreen(&output.Printer{Out: &out, Width: 40}).leave()
	newScreen(&output.Printer{Out: &out}).leave()
	newScreen(nil).leave()
	require.Equal(t, "\n", out.String())
}

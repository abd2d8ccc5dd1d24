package output

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// What stands between two columns, and between those of a table that is too wide.
const (
	wideGap   = "   "
	narrowGap = "  "
)

// minShrunk is the least width that a column is cut to.
const minShrunk = 8

type cell struct {
	text  string
	color Color
}

// head is the top of a column: may it be cut, and where?
type head struct {
	text         string
	shrink, tail bool
}

type table struct {
	heads []head
	rows  [][]cell
	gap   string
}

// print lays the table out in columns as wide as their widest cell. Where a line does
// not fit the terminal, columns with nothing in them are left out, and the widest of
// those that may shrink are cut; where even that is not enough, lines are left whole.
func (t *table) print(p *Printer) error {
	if t.gap = wideGap; p.Width > 0 && t.width() > p.Width {
		t.gap = narrowGap
		t.dropEmpty()
	}
	widths := t.fit(p.Width)
	header := make([]cell, len(t.heads))
	for i, head := range t.heads {
		header[i].text = head.text
	}
	var out strings.Builder
	for _, row := range append([][]cell{header}, t.rows...) {
		space := ""
		for i, c := range row {
			text := cut(c.text, widths[i])
			if t.heads[i].tail {
				text = CutMiddle(c.text, widths[i])
			}
			if text != "" {
				out.WriteString(space + p.Paint(c.color, text))
				space = ""
			}
			space += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)) + t.gap
		}
		out.WriteByte('\n') // without the space behind the last text
	}
	_, err := p.Out.Write([]byte(out.String()))
	return err
}

// widths are those of the columns' widest cells.
func (t *table) widths() []int {
	widths := make([]int, len(t.heads))
	for i, head := range t.heads {
		widths[i] = utf8.RuneCountInString(head.text)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	return widths
}

// width is a line's.
func (t *table) width() int {
	total := len(t.gap) * (len(t.heads) - 1)
	for _, width := range t.widths() {
		total += width
	}
	return total
}

// dropEmpty leaves out the columns in which no row has anything.
func (t *table) dropEmpty() {
	for i := len(t.heads) - 1; i >= 0 && len(t.rows) > 0; i-- {
		if slices.ContainsFunc(t.rows, func(row []cell) bool { return row[i].text != "" }) {
			continue
		}
		t.heads = slices.Delete(t.heads, i, i+1)
		for n, row := range t.rows {
			t.rows[n] = slices.Delete(row, i, i+1)
		}
	}
}

func (t *table) fit(limit int) []int {
	widths := t.widths()
	for total := t.width(); limit > 0 && total > limit; total-- {
		widest := -1
		for i, head := range t.heads {
			if head.shrink && widths[i] > minShrunk && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return t.widths()
		}
		widths[widest]--
	}
	return widths
}

// cut shortens a text to a width, ending it with an ellipsis.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(width-1, 0)]) + "…"
}

// CutMiddle shortens a text to a width by what stands in its middle.
func CutMiddle(text string, width int) string {
	runes := []rune(oneLine(text))
	if len(runes) <= width {
		return string(runes)
	}
	rest := max(width-1, 0)
	return string(runes[:rest/2]) + "…" + string(runes[len(runes)-(rest-rest/2):])
}

// Cut shortens a text to a number of characters, ending it with an ellipsis.
func Cut(text string, width int) string { return cut(oneLine(text), width) }

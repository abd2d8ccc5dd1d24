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

// A column is cut to minShrunk at the least; before one is cut below readable, columns
// that can be spared are left out.
const (
	minShrunk = 8
	readable  = 12
)

type cell struct {
	text  string
	color Color
}

// head is the top of a column: may it be cut, and where? How easily is it spared?
type head struct {
	text         string
	shrink, tail bool
	wrap         bool
	spare        int
}

type table struct {
	heads []head
	rows  [][]cell
	gap   string
}

// print lays the table out in columns as wide as their widest cell. Where a line does
// not fit the terminal, columns with nothing in them are left out, then those that can
// be spared, and the widest of those that may shrink are cut; where even that is not
// enough, lines are left whole.
func (t *table) print(p *Printer) error {
	if t.gap = wideGap; p.Width > 0 && t.width() > p.Width {
		t.gap = narrowGap
		t.dropEmpty()
		for t.least(readable) > p.Width && t.dropSpare() {
		}
	}
	widths := t.fit(p.Width)
	t.wrap(widths)
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

// least is a line's width when columns that may shrink are cut to shrunk.
func (t *table) least(shrunk int) int {
	total := len(t.gap) * (len(t.heads) - 1)
	for i, width := range t.widths() {
		if t.heads[i].shrink {
			width = min(width, shrunk)
		}
		total += width
	}
	return total
}

// dropEmpty leaves out the columns in which no row has anything.
func (t *table) dropEmpty() {
	for i := len(t.heads) - 1; i >= 0 && len(t.rows) > 0; i-- {
		if !slices.ContainsFunc(t.rows, func(row []cell) bool { return row[i].text != "" }) {
			t.drop(i)
		}
	}
}

// dropSpare leaves out the column that is spared most easily, if there is one.
func (t *table) dropSpare() bool {
	most := 0
	for i, head := range t.heads {
		if head.spare > t.heads[most].spare {
			most = i
		}
	}
	if t.heads[most].spare == 0 {
		return false
	}
	t.drop(most)
	return true
}

func (t *table) drop(column int) {
	t.heads = slices.Delete(t.heads, column, column+1)
	for n, row := range t.rows {
		t.rows[n] = slices.Delete(row, column, column+1)
	}
}

// wrap goes on in lines of their own with texts that are to be read whole.
func (t *table) wrap(widths []int) {
	for i, head := range t.heads {
		if !head.wrap {
			continue
		}
		var rows [][]cell
		for _, row := range t.rows {
			lines := words(row[i].text, widths[i])
			row[i].text = lines[0]
			rows = append(rows, row)
			for _, line := range lines[1:] {
				more := make([]cell, len(row))
				more[i] = cell{line, row[i].color}
				rows = append(rows, more)
			}
		}
		t.rows = rows
	}
}

// words breaks a text into lines of a width, one at least; a word that is longer is
// broken too.
func words(text string, width int) []string {
	runes := []rune(text)
	var lines []string
	for len(runes) > width && width > 0 {
		end, next := width, width
		for at := width; at > 0; at-- {
			if runes[at] == ' ' {
				end, next = at, at+1
				break
			}
		}
		lines = append(lines, string(runes[:end]))
		runes = runes[next:]
	}
	return append(lines, string(runes))
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
	runes := []rune(OneLine(text))
	if len(runes) <= width {
		return string(runes)
	}
	rest := max(width-1, 0)
	return string(runes[:rest/2]) + "…" + string(runes[len(runes)-(rest-rest/2):])
}

// Cut shortens a text to a number of characters, ending it with an ellipsis.
func Cut(text string, width int) string { return cut(OneLine(text), width) }

package output

import (
	"strings"
	"unicode/utf8"
)

// gap is what stands between two columns.
const gap = "   "

// minShrunk is the least width that a column is cut to.
const minShrunk = 8

type cell struct {
	text  string
	color Color
}

type table struct {
	headers []string
	shrink  []bool
	rows    [][]cell
}

// print lays the table out in columns as wide as their widest cell, and cuts the
// widest of those that may shrink until the line fits the terminal.
func (t *table) print(p *Printer) error {
	widths := t.fit(p.Width)
	header := make([]cell, len(t.headers))
	for i, name := range t.headers {
		header[i].text = name
	}
	var out strings.Builder
	for _, row := range append([][]cell{header}, t.rows...) {
		space := ""
		for i, c := range row {
			text := cut(c.text, widths[i])
			if text != "" {
				out.WriteString(space + p.Paint(c.color, text))
				space = ""
			}
			space += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)) + gap
		}
		out.WriteByte('\n') // without the space behind the last text
	}
	_, err := p.Out.Write([]byte(out.String()))
	return err
}

func (t *table) fit(limit int) []int {
	widths := make([]int, len(t.headers))
	total := len(gap) * (len(widths) - 1)
	for i, header := range t.headers {
		widths[i] = utf8.RuneCountInString(header)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
		total += widths[i]
	}
	for ; limit > 0 && total > limit; total-- {
		widest := -1
		for i, may := range t.shrink {
			if may && widths[i] > minShrunk && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
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

// Cut shortens a text to a number of characters, ending it with an ellipsis.
func Cut(text string, width int) string { return cut(oneLine(text), width) }

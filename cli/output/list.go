package output

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Column is one property of the items of a list.
type Column[T any] struct {
	// Name is what templates and JSON call it; Header is what the table does, and
	// empty means that only templates and JSON have it.
	Name, Header string
	Value        func(T) string
	// Full, when set, is the value with --no-trunc.
	Full func(T) string
	// Color may be nil.
	Color func(T) Color
	// Shrink lets the column be cut to fit the terminal: in the middle with Tail, for
	// names that differ at their ends.
	Shrink, Tail bool
	// Wrap goes on in further lines with what is to be read whole. It is for the last
	// column; with Shrink.
	Wrap bool
	// Spare lets the column be left out where the others would be cut too short: the one
	// with the highest number first; 0 never.
	Spare int
}

// List says how items of one kind are shown.
type List[T any] struct {
	Columns []Column[T]
	// ID is what -q prints.
	ID func(T) string
}

// Options are what a user says about a list.
type Options struct {
	// Format is "" or "table", "json" (one object a line, as Docker's), a Go
	// template for each item, or "table TEMPLATE".
	Format  string
	Quiet   bool
	NoTrunc bool
}

// Print shows the items.
func (l List[T]) Print(p *Printer, options Options, items []T) error {
	if options.Quiet && options.Format == "" {
		for _, item := range items {
			if _, err := fmt.Fprintln(p.Out, l.ID(item)); err != nil {
				return err
			}
		}
		return nil
	}
	switch format := options.Format; {
	case format == "" || format == "table":
		return l.table(p, options, items)
	case format == "json":
		encoder := json.NewEncoder(p.Out)
		encoder.SetEscapeHTML(false)
		for _, item := range items {
			if err := encoder.Encode(l.row(item, options)); err != nil {
				return err
			}
		}
		return nil
	case strings.HasPrefix(format, "table "):
		return l.templateTable(p, options, items)
	default:
		return l.template(p, options, items)
	}
}

func (l List[T]) row(item T, options Options) map[string]string {
	row := make(map[string]string, len(l.Columns))
	for _, column := range l.Columns {
		row[column.Name] = column.text(item, options)
	}
	return row
}

func (c Column[T]) text(item T, options Options) string {
	if options.NoTrunc && c.Full != nil {
		return c.Full(item)
	}
	return c.Value(item)
}

// head says how the column is laid out; with NoTrunc nothing is left out or broken.
func (c Column[T]) head(options Options) head {
	if options.NoTrunc {
		return head{text: c.Header}
	}
	return head{text: c.Header, shrink: c.Shrink, tail: c.Tail, wrap: c.Wrap, spare: c.Spare}
}

func (l List[T]) table(p *Printer, options Options, items []T) error {
	var t table
	for _, column := range l.Columns {
		if column.Header != "" {
			t.heads = append(t.heads, column.head(options))
		}
	}
	for _, item := range items {
		var row []cell
		for _, column := range l.Columns {
			if column.Header == "" {
				continue
			}
			c := cell{text: OneLine(column.text(item, options))}
			if column.Color != nil {
				c.color = column.Color(item)
			}
			row = append(row, c)
		}
		t.rows = append(t.rows, row)
	}
	return t.print(p)
}

// OneLine keeps a text from breaking its table or the terminal.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 { // C1 too (ECMA-48): U+009B begins a sequence by itself
			return ' '
		}
		return r
	}, text)
}

package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"

	"github.com/orc-project/orc/api"
)

// functions are those that Docker's templates have.
var functions = template.FuncMap{
	"json": func(value any) (string, error) {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		err := encoder.Encode(value)
		return strings.TrimSuffix(text.String(), "\n"), err
	},
	"join":  strings.Join,
	"split": strings.Split,
	"lower": strings.ToLower,
	"upper": strings.ToUpper,
	"title": title,
	"pad": func(text string, before, after int) string {
		return strings.Repeat(" ", max(before, 0)) + text + strings.Repeat(" ", max(after, 0))
	},
	"truncate": func(text string, width int) string {
		return string([]rune(text)[:max(0, min(width, len([]rune(text))))])
	},
	"println": fmt.Sprintln,
}

func title(text string) string {
	if text == "" {
		return text
	}
	runes := []rune(text)
	return strings.ToUpper(string(runes[:1])) + string(runes[1:])
}

// parse reads a template as a shell hands it over: \t and \n are written out.
func parse(text string) (*template.Template, error) {
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)
	parsed, err := template.New("format").Funcs(functions).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, api.Invalidf("--format: %s", reason(err))
	}
	return parsed, nil
}

// reason is what a template's error says behind its position.
func reason(err error) string { return strings.TrimPrefix(OneLine(err.Error()), "template: format:") }

func (l List[T]) template(p *Printer, options Options, items []T) error {
	parsed, err := parse(options.Format)
	if err != nil {
		return err
	}
	// Against the headers first, so that a wrong name is told of an empty list too.
	if _, err := l.headers(parsed); err != nil {
		return err
	}
	for _, item := range items {
		var line bytes.Buffer
		if err := parsed.Execute(&line, l.row(item, options)); err != nil {
			return api.Invalidf("--format: %s", reason(err))
		}
		line.WriteByte('\n')
		if _, err := p.Out.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// headers is the template's own table header.
func (l List[T]) headers(parsed *template.Template) (string, error) {
	names := make(map[string]string, len(l.Columns))
	var known []string
	for _, column := range l.Columns {
		names[column.Name] = column.Header
		if column.Header == "" {
			names[column.Name] = strings.ToUpper(column.Name)
		}
		known = append(known, "."+column.Name)
	}
	var header bytes.Buffer
	if err := parsed.Execute(&header, names); err != nil {
		return "", api.Invalidf("--format: %s; there are %s", reason(err), strings.Join(known, " "))
	}
	return header.String(), nil
}

// templateTable is a table whose columns are what tabs part in the template.
func (l List[T]) templateTable(p *Printer, options Options, items []T) error {
	parsed, err := parse(strings.TrimPrefix(options.Format, "table "))
	if err != nil {
		return err
	}
	header, err := l.headers(parsed)
	if err != nil {
		return err
	}
	var t table
	for text := range strings.SplitSeq(header, "\t") {
		t.heads = append(t.heads, head{text: text})
	}
	for _, item := range items {
		var line bytes.Buffer
		if err := parsed.Execute(&line, l.row(item, options)); err != nil {
			return api.Invalidf("--format: %s", reason(err))
		}
		row := make([]cell, len(t.heads))
		for i, text := range strings.SplitN(line.String(), "\t", len(row)) {
			row[i].text = OneLine(text)
		}
		t.rows = append(t.rows, row)
	}
	return t.print(p)
}

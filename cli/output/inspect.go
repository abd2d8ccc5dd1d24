package output

import (
	"bytes"
	"encoding/json"

	"github.com/orc-project/orc/api"
)

// Inspect shows objects whole: as one indented JSON list, with "json" as one
// object a line, or each through a Go template. A template speaks of the Go
// fields ({{.Spec.Image}}) or of the names in the JSON ({{.spec.container.image}}).
func Inspect[T any](p *Printer, format string, objects []T) error {
	switch format {
	case "":
		if objects == nil {
			objects = []T{}
		}
		encoder := json.NewEncoder(p.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "    ")
		return encoder.Encode(objects)
	case "json":
		encoder := json.NewEncoder(p.Out)
		encoder.SetEscapeHTML(false)
		for _, object := range objects {
			if err := encoder.Encode(object); err != nil {
				return err
			}
		}
		return nil
	}
	return inspectTemplate(p, format, objects)
}

func inspectTemplate[T any](p *Printer, format string, objects []T) error {
	parsed, err := parse(format)
	if err != nil {
		return err
	}
	for _, object := range objects {
		var text bytes.Buffer
		if err := parsed.Execute(&text, object); err != nil {
			generic, genericErr := asJSON(object)
			if genericErr != nil {
				return genericErr
			}
			text.Reset()
			if parsed.Execute(&text, generic) != nil {
				return api.Invalidf("--format: %s", reason(err))
			}
		}
		text.WriteByte('\n')
		if _, err := p.Out.Write(text.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// asJSON is the object as JSON's own types, numbers as they were written.
func asJSON(object any) (any, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var generic any
	err = decoder.Decode(&generic)
	return generic, err
}

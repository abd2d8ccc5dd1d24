package api

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func templateData() TemplateData {
	var data TemplateData
	data.Service.Name, data.Service.Labels = "web", map[string]string{"tier": "front"}
	data.Task.Name, data.Task.Slot = "web.2", 2
	data.Node.Hostname = "n1"
	return data
}

func TestTemplatesAreFilledIn(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "none": "none", "{{.Service.Name}}-{{.Task.Slot}}@{{.Node.Hostname}}": "web-2@n1", "{{.Service.Labels.tier}}": "front",
		`{{if eq .Task.Slot 2}}two{{else}}other{{end}}`: "two",
	} {
		got, err := templateData().Expand("environment", text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"{{", "{{.Nothing}}", "{{.Service.Labels.none}}", `{{env "X"}}`, "{{range 9999999999}}{{end}}",
		"{{if true}}{{range 9}}x{{end}}{{end}}", `{{printf "%9999999d" 1}}`} {
		_, err := templateData().Expand("environment", bad)
		require.ErrorContains(t, err, "environment", bad)
	}
}

func TestATemplateInAFileReadsTheContainersOwnThings(t *testing.T) {
	funcs := TemplateFuncs{
		Env: strings.ToUpper,
		Secret: func(name string) (string, error) {
			if name != "key" {
				return "", errors.New("there is none")
			}
			return "s3cret {{.Task.Slot}}", nil
		},
		Config: func(name string) (string, error) { return "<" + name + ">", nil },
	}
	got, err := templateData().ExpandFile("config site", `{{.Task.Name}} {{env "x"}} {{secret "key"}} {{config "other"}}`, funcs)
	require.NoError(t, err)
	require.Equal(t, "web.2 X s3cret {{.Task.Slot}} <other>", got, "what is read is not a template itself")
	_, err = templateData().ExpandFile("config site", `hunter2 {{secret "none"}}`, funcs)
	require.ErrorContains(t, err, "config site")
	require.ErrorContains(t, err, "there is none")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestAFileThatIsNoTemplateIsRefusedAsOne(t *testing.T) {
	spec := FileSpec{Data: []byte("hunter2 {{secret}"), Template: true}
	err := spec.Validate("config", "site", MaxConfigSize)
	require.ErrorContains(t, err, "config site:1")
	require.NotContains(t, err.Error(), "hunter2")
	spec.Template = false
	require.NoError(t, spec.Validate("config", "site", MaxConfigSize))
	spec = FileSpec{Data: []byte(`{{secret "a"}}{{config "b"}}{{env "C"}}`), Template: true}
	require.NoError(t, spec.Validate("config", "site", MaxConfigSize))
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"{{.Service.Name}}", "{{with .Service.Labels.tier}}{{.}}{{end}}", "{{printf \"%9999d\" .Task.Slot}}", "{{",
		`{{define "x"}}{{end}}`, "{{range 9999999999}}{{end}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		expanded, err := templateData().Expand("environment", text)
		if err == nil {
			require.LessOrEqual(t, len(expanded), max(maxExpanded, len(text)))
		}
	})
}

package api

import (
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// TemplateData is what templates of a service may use, named as Docker Swarm's:
// {{.Service.Name}}, {{.Task.Slot}}, {{.Node.Hostname}}. They are filled in for
// each task, on its node; host names on managers too, for they are names in DNS.
type TemplateData struct {
	Service struct {
		ID, Name string
		Labels   map[string]string
	}
	Task struct {
		ID, Name string
		Slot     int
	}
	Node struct {
		ID, Hostname string
		Platform     struct{ OS, Architecture string }
	}
}

// NewTemplateData describes a task of a service whose spec is at the task's revision.
// A manager and the task's node fill in the same from it.
func NewTemplateData(task *Task, service string, spec *ServiceSpec, node string, platform Platform) TemplateData {
	var d TemplateData
	d.Service.ID, d.Service.Name, d.Service.Labels = task.Service, service, spec.Labels
	d.Task.ID, d.Task.Name, d.Task.Slot = task.ID, TaskName(service, task, node), task.Slot
	d.Node.ID, d.Node.Hostname = task.Node, node
	d.Node.Platform.OS, d.Node.Platform.Architecture = platform.OS, platform.Arch
	return d
}

// TemplateFuncs are what a template in a secret or config may call beside:
// {{env "X"}} is a variable of the container, {{secret "n"}} and {{config "n"}} are
// the contents of files that it has as well, by their name or target.
type TemplateFuncs struct {
	Env            func(name string) string
	Secret, Config func(name string) (string, error)
}

// Expand fills in the template of a field of a spec, which what names. A text
// without one is returned as it is.
func (d TemplateData) Expand(what, text string) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	expanded, err := d.execute(what, text, nil)
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", what, text, err)
	}
	return expanded, nil
}

// ExpandFile fills in the template that the content of a secret or config is; what
// names it in the error, which does not show the content.
func (d TemplateData) ExpandFile(what, content string, funcs TemplateFuncs) (string, error) {
	return d.execute(what, content, funcs.funcs())
}

func (d TemplateData) execute(what, text string, funcs template.FuncMap) (string, error) {
	parsed, err := parseTemplate(what, text, funcs)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := parsed.Execute(&limited{b: &b, left: maxExpanded}, d); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (f TemplateFuncs) funcs() template.FuncMap {
	return template.FuncMap{"env": f.Env, "secret": f.Secret, "config": f.Config}
}

// checkTemplate says what is wrong with a text that may be a template of a spec.
func checkTemplate(field, what, text string) error {
	if !strings.Contains(text, "{{") {
		return nil
	}
	if _, err := parseTemplate(what, text, nil); err != nil {
		return wrong(field, "%s %q: %w", what, text, err)
	}
	return nil
}

// checkFileTemplate says what is wrong with a secret or config that is a template.
func checkFileTemplate(what string, content []byte) error {
	file := func(string) (string, error) { return "", nil }
	_, err := parseTemplate(what, string(content), TemplateFuncs{func(string) string { return "" }, file, file}.funcs())
	if err != nil {
		return Invalidf("%w", err)
	}
	return nil
}

func parseTemplate(what, text string, funcs template.FuncMap) (*template.Template, error) {
	parsed, err := template.New(what).Option("missingkey=error").Funcs(funcs).Parse(text)
	if err != nil {
		return nil, err
	}
	if parsed.Tree != nil && loops(parsed.Root) { // a tree is missing when there are definitions only
		return nil, fmt.Errorf("template: %s: loops are not allowed in it", what)
	}
	return parsed, nil
}

// loops says whether a template has an action that repeats: one over a large number
// would keep the node busy for as long as its author likes.
func loops(list *parse.ListNode) bool {
	if list == nil {
		return false
	}
	return slices.ContainsFunc(list.Nodes, func(n parse.Node) bool {
		switch n := n.(type) {
		case *parse.RangeNode, *parse.TemplateNode:
			return true
		case *parse.IfNode:
			return loops(n.List) || loops(n.ElseList)
		case *parse.WithNode:
			return loops(n.List) || loops(n.ElseList)
		}
		return false
	})
}

// maxExpanded bounds what a template may grow to, in bytes.
const maxExpanded = 1 << 20

type limited struct {
	b    *strings.Builder
	left int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("it grows beyond %d bytes", maxExpanded)
	}
	return l.b.Write(p)
}

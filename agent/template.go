package agent

import (
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// templateData is what templates of a spec may use, named as Docker Swarm's:
// {{.Service.Name}}, {{.Task.Slot}}, {{.Node.Hostname}}.
type templateData struct {
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

func newTemplateData(assignment wire.Assignment, spec *api.ServiceSpec, platform api.Platform) templateData {
	var data templateData
	task := assignment.Task
	data.Service.ID, data.Service.Name, data.Service.Labels = task.Service, assignment.ServiceName, spec.Labels
	data.Task.ID, data.Task.Slot = task.ID, task.Slot
	data.Task.Name = api.TaskName(assignment.ServiceName, &task, assignment.NodeName)
	data.Node.ID, data.Node.Hostname = task.Node, assignment.NodeName
	data.Node.Platform.OS, data.Node.Platform.Architecture = platform.OS, platform.Arch
	return data
}

// expand fills a text's template in. A text without one is returned as it is.
func (d templateData) expand(what, text string) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	parsed, err := template.New(what).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", what, text, err)
	}
	if parsed.Tree != nil && loops(parsed.Root) { // a tree is missing when there are definitions only
		return "", fmt.Errorf("%s %q: loops are not allowed in it", what, text)
	}
	var b strings.Builder
	if err := parsed.Execute(&limited{b: &b, left: maxExpanded}, d); err != nil {
		return "", fmt.Errorf("%s %q: %w", what, text, err)
	}
	return b.String(), nil
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

// resolve returns a container's spec with its templates filled in: environment,
// hostname and mounts.
func (d templateData) resolve(spec api.ContainerSpec) (api.ContainerSpec, error) {
	env := make([]string, len(spec.Env))
	var err error
	for i, entry := range spec.Env {
		if env[i], err = d.expand("environment", entry); err != nil {
			return spec, err
		}
	}
	mounts := make([]api.Mount, len(spec.Mounts))
	for i, mount := range spec.Mounts {
		if mount.Source, err = d.expand("mount source", mount.Source); err != nil {
			return spec, err
		}
		if mount.Target, err = d.expand("mount target", mount.Target); err != nil {
			return spec, err
		}
		mounts[i] = mount
	}
	spec.Env, spec.Mounts = env, mounts
	spec.Hostname, err = d.expand("hostname", spec.Hostname)
	return spec, err
}

package cli

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// inspectable is a kind of object that `orc inspect` knows.
type inspectable struct {
	kind string
	get  func(ctx context.Context, cl *client.Client, ref string) (any, error)
}

// inspectables are in the order in which a name is looked for: what runs comes
// before what it was made from.
var inspectables = []inspectable{
	{"task", func(ctx context.Context, cl *client.Client, ref string) (any, error) { return cl.Task(ctx, ref) }},
	{"container", func(ctx context.Context, cl *client.Client, ref string) (any, error) {
		container, err := cl.Container(ctx, ref)
		if err != nil {
			return nil, err
		}
		return cl.Task(ctx, container.Task)
	}},
	{"service", func(ctx context.Context, cl *client.Client, ref string) (any, error) { return cl.Service(ctx, ref) }},
	{"app", func(ctx context.Context, cl *client.Client, ref string) (any, error) { return cl.App(ctx, ref) }},
	{"node", func(ctx context.Context, cl *client.Client, ref string) (any, error) { return cl.Node(ctx, ref) }},
	{"network", func(ctx context.Context, cl *client.Client, ref string) (any, error) { return cl.Network(ctx, ref) }},
	{"secret", func(ctx context.Context, cl *client.Client, ref string) (any, error) { return cl.Secret(ctx, ref) }},
	{"config", func(ctx context.Context, cl *client.Client, ref string) (any, error) { return cl.Config(ctx, ref) }},
	{"volume", func(ctx context.Context, cl *client.Client, ref string) (any, error) { return cl.Volume(ctx, ref) }},
}

// inspect is `orc inspect`: whatever has that name or ID.
func (p *program) inspect() *cli.Command {
	var kind string
	command := inspecter(p, "orc", "object", func(ctx context.Context, cl *client.Client, ref string) (any, error) {
		return inspectAny(ctx, cl, kind, ref)
	})
	command.Usage = "Show everything about whatever has a name or an ID"
	command.ArgsUsage = "NAME|ID…"
	command.Description = examples("orc inspect web.1", "orc inspect web.1 -f '{{json .Status.Checks}}'", "orc inspect --type node n2") +
		"\n\nA name is looked for among these, in this order: " + kinds() + ".\nA container is shown as its task."
	command.Flags = append(command.Flags, &cli.StringFlag{Name: "type", Usage: "look for one `KIND` only", Destination: &kind})
	return command
}

// inspectAny is the first object that has this name or ID; of one kind, if it is named.
func inspectAny(ctx context.Context, cl *client.Client, kind, ref string) (any, error) {
	known := false
	var missing []error
	for _, each := range inspectables {
		if kind != "" && kind != each.kind {
			continue
		}
		known = true
		object, err := each.get(ctx, cl, ref)
		if api.CodeOf(err) != api.CodeNotFound || kind != "" {
			return object, err
		}
		missing = append(missing, err)
	}
	if !known {
		return nil, usagef("orc inspect: --type %q: want %s", kind, kinds())
	}
	return nil, noneOf("object", ref, "no task, service, node or anything else has that name or ID", missing...)
}

func kinds() string {
	var names []string
	for _, each := range inspectables {
		names = append(names, each.kind)
	}
	return strings.Join(names, ", ")
}

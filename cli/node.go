package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) node() *cli.Command {
	return &cli.Command{
		Name: "node", Usage: "manage the cluster's hosts",
		Subcommands: []*cli.Command{
			lister(p, "orc node", "List the nodes", nodes, func(ctx context.Context, cl *client.Client) ([]api.NodeView, error) { return cl.Nodes(ctx) }),
			inspecter(p, "orc node", "node", func(ctx context.Context, cl *client.Client, ref string) (api.NodeView, error) {
				return cl.Node(ctx, ref)
			}),
			p.nodePs(), p.nodeUpdate(), p.nodePromote(), p.nodeDemote(),
			remover(p, "orc node", "node", []cli.Flag{
				&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "also when it is up; its containers are left to themselves"},
			}, func(c *cli.Context, cl *client.Client, ref string) error {
				return cl.RemoveNode(c.Context, ref, c.Bool("force"))
			}),
		},
	}
}

var nodes = listing[api.NodeView]{
	List: output.List[api.NodeView]{
		ID: func(n api.NodeView) string { return n.ID },
		Columns: []output.Column[api.NodeView]{
			{Name: "ID", Header: "ID", Value: func(n api.NodeView) string { return api.ShortID(n.ID) }, Full: func(n api.NodeView) string { return n.ID }, Spare: 1},
			{Name: "Hostname", Header: "HOSTNAME", Value: func(n api.NodeView) string { return n.Name }, Shrink: true, Tail: true},
			{Name: "Status", Header: "STATUS", Value: func(n api.NodeView) string { return upperFirst(string(nodeState(n))) }, Color: nodeColor},
			{Name: "Availability", Header: "AVAILABILITY", Value: func(n api.NodeView) string { return upperFirst(string(n.Availability)) }},
			{Name: "ManagerStatus", Header: "MANAGER STATUS", Value: managerStatus},
			{Name: "Address", Header: "ADDRESS", Value: nodeAddress, Spare: 2},
			{Name: "Version", Header: "VERSION", Value: nodeVersion, Spare: 3, Shrink: true},
			{Name: "EngineVersion", Value: nodeVersion},
			{Name: "Role", Value: func(n api.NodeView) string { return string(n.Role) }},
			{Name: "Tasks", Value: func(n api.NodeView) string { return strconv.Itoa(n.Tasks) }},
			{Name: "Labels", Value: func(n api.NodeView) string { return labels(n.Labels) }},
		},
	},
	filters: filters[api.NodeView]{
		"id":           func(n api.NodeView, v string) bool { return strings.HasPrefix(n.ID, v) },
		"name":         func(n api.NodeView, v string) bool { return strings.Contains(n.Name, v) },
		"role":         func(n api.NodeView, v string) bool { return string(n.Role) == v },
		"availability": func(n api.NodeView, v string) bool { return string(n.Availability) == v },
		"status":       func(n api.NodeView, v string) bool { return string(nodeState(n)) == v },
		"label":        func(n api.NodeView, v string) bool { return hasLabel(n.Labels, v) },
		"node.label":   func(n api.NodeView, v string) bool { return hasLabel(n.Labels, v) },
	},
}

func nodeState(n api.NodeView) api.NodeState {
	if n.Status == nil {
		return api.NodeUnknown
	}
	return n.Status.State
}

func nodeColor(n api.NodeView) output.Color {
	switch nodeState(n) {
	case api.NodeReady:
		return output.Good
	case api.NodeDown:
		return output.Bad
	}
	return output.Busy
}

func managerStatus(n api.NodeView) string { return upperFirst(string(n.Manager)) }

func nodeAddress(n api.NodeView) string {
	if n.Status != nil && n.Status.Info.Address.IsValid() {
		return n.Status.Info.Address.String()
	}
	return ""
}

func nodeVersion(n api.NodeView) string {
	if n.Status == nil {
		return ""
	}
	return n.Status.Info.Version
}

// labels shows labels as key=value, sorted.
func labels(of map[string]string) string {
	var pairs []string
	for key, value := range of {
		pairs = append(pairs, key+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

func (p *program) nodePs() *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "List the tasks on one or more nodes", ArgsUsage: "[NODE…]",
		Description: examples("orc node ps", "orc node ps n2 n3") + "\n\nWithout a node: the manager that answers.",
		Flags:       listFlags(),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			refs := c.Args().Slice()
			if len(refs) == 0 {
				refs = []string{"self"}
			}
			var all []api.TaskView
			for _, ref := range refs {
				node, err := cl.Node(c.Context, ref)
				if err != nil {
					return err
				}
				tasks, err := cl.Tasks(c.Context, client.TaskQuery{Node: node.ID})
				if err != nil {
					return err
				}
				all = append(all, tasks...)
			}
			return p.showTasks(c, all)
		}),
	}
}

func (p *program) nodeUpdate() *cli.Command {
	return &cli.Command{
		Name: "update", Usage: "Change a node's availability, role, name or labels", ArgsUsage: "NODE",
		Description: examples("orc node update --availability drain n3", "orc node update --label-add zone=a --label-add disk=ssd n2", "orc node update --label-rm zone n2"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "availability", Usage: "`STATE`: active, pause (no new tasks) or drain (its tasks go elsewhere)"},
			&cli.StringSliceFlag{Name: "label-add", Usage: "add or change a label, `KEY=VALUE`"},
			&cli.StringSliceFlag{Name: "label-rm", Usage: "remove the label of this `KEY`"},
			&cli.StringFlag{Name: "role", Usage: "`ROLE`: manager or worker"},
			&cli.StringFlag{Name: "name", Usage: "a new `NAME`"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			update, err := readNodeUpdate(c)
			if err != nil {
				return err
			}
			if _, err := cl.UpdateNode(c.Context, c.Args().First(), update); err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, c.Args().First())
			return err
		}),
	}
}

func readNodeUpdate(c *cli.Context) (api.NodeUpdate, error) {
	update := api.NodeUpdate{LabelsRemove: c.StringSlice("label-rm")}
	if c.IsSet("availability") {
		value := api.Availability(c.String("availability"))
		if !slices.Contains([]api.Availability{api.AvailabilityActive, api.AvailabilityPause, api.AvailabilityDrain}, value) {
			return update, usagef("--availability %q: want active, pause or drain", value)
		}
		update.Availability = &value
	}
	if c.IsSet("role") {
		value := api.Role(c.String("role"))
		if value != api.RoleManager && value != api.RoleWorker {
			return update, usagef("--role %q: want manager or worker", value)
		}
		update.Role = &value
	}
	if c.IsSet("name") {
		value := c.String("name")
		update.Name = &value
	}
	added, err := pairsOf("label", c.StringSlice("label-add"))
	if len(added) > 0 {
		update.LabelsAdd = added
	}
	return update, err
}

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) network() *cli.Command {
	return &cli.Command{
		Name: "network", Usage: "manage networks",
		Subcommands: []*cli.Command{
			p.networkCreate(),
			lister(p, "orc network", "List networks", networks, func(ctx context.Context, cl *client.Client) ([]api.Network, error) { return cl.Networks(ctx) }),
			p.networkInspect(),
			remover(p, "orc network", "network", nil, func(c *cli.Context, cl *client.Client, ref string) error { return cl.RemoveNetwork(c.Context, ref) }),
			p.networkPrune(),
		},
	}
}

var networks = listing[api.Network]{
	List: output.List[api.Network]{
		ID: func(n api.Network) string { return n.ID },
		Columns: []output.Column[api.Network]{
			{Name: "ID", Header: "NETWORK ID", Value: func(n api.Network) string { return api.ShortID(n.ID) }, Full: func(n api.Network) string { return n.ID }, Spare: 1},
			{Name: "Name", Header: "NAME", Value: func(n api.Network) string { return n.Name }, Shrink: true, Tail: true},
			{Name: "Subnet", Header: "SUBNET", Value: func(n api.Network) string {
				if n.Subnet.IsValid() {
					return n.Subnet.String()
				}
				return ""
			}},
			{Name: "Internal", Header: "INTERNAL", Value: func(n api.Network) string {
				if n.Spec.Internal {
					return "yes"
				}
				return ""
			}},
			{Name: "App", Value: func(n api.Network) string { return n.App }},
			{Name: "Labels", Value: func(n api.Network) string { return labels(n.Spec.Labels) }},
		},
	},
	filters: filters[api.Network]{
		"id":    func(n api.Network, v string) bool { return strings.HasPrefix(n.ID, v) },
		"name":  func(n api.Network, v string) bool { return strings.Contains(n.Name, v) },
		"label": func(n api.Network, v string) bool { return hasLabel(n.Spec.Labels, v) },
	},
}

func (p *program) networkCreate() *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Create a network", ArgsUsage: "NETWORK",
		Description: examples("orc network create front", "orc network create --subnet 10.20.0.0/16 --internal back"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "subnet", Usage: "its addresses, a `CIDR` (default: from the cluster's pools)"},
			&cli.BoolFlag{Name: "internal", Usage: "without a way out of the cluster"},
			&cli.BoolFlag{Name: "attachable", Usage: "kept for Swarm's sake; changes nothing: all containers belong to services"},
			&cli.StringFlag{Name: "driver", Aliases: []string{"d"}, Hidden: true},
			&cli.IntFlag{Name: "mtu", Usage: "largest packet, in `BYTES` (default: what the hosts' network allows)"},
			&cli.StringSliceFlag{Name: "label", Usage: "`KEY=VALUE`"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			if driver := c.String("driver"); driver != "" && driver != "overlay" {
				return usagef("--driver %q: orc's networks are overlay", driver)
			}
			labels, err := pairsOf("label", c.StringSlice("label"))
			if err != nil {
				return err
			}
			if c.Bool("attachable") {
				fmt.Fprintln(p.Err, "--attachable is kept but changes nothing: all containers belong to services (for one that runs once: orc service create --mode replicated-job --network NETWORK)")
			}
			network, err := cl.CreateNetwork(c.Context, api.NetworkSpec{
				Name: c.Args().First(), Labels: labels, Subnet: c.String("subnet"),
				Internal: c.Bool("internal"), Attachable: c.Bool("attachable"), MTU: c.Int("mtu"),
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, network.ID)
			return err
		}),
	}
}

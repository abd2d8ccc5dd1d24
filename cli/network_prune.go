package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

func (p *program) networkPrune() *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove the networks that no service uses, those of apps apart",
		Description: examples("orc network prune --dry-run", "orc network prune --force"),
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would be removed, and remove nothing"},
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "do not ask"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			return p.pruneNetworks(c, cl)
		}),
	}
}

// pruneNetworks shows what would go before it asks whether it shall.
func (p *program) pruneNetworks(c *cli.Context, cl *client.Client) error {
	if !c.Bool("force") || c.Bool("dry-run") {
		would, err := cl.PruneNetworks(c.Context, api.NetworkPrune{DryRun: true})
		if err != nil {
			return err
		}
		p.named(would)
		if len(would) == 0 || c.Bool("dry-run") {
			return nil
		}
		if err := p.confirm("Remove all this?"); err != nil {
			return err
		}
	}
	removed, err := cl.PruneNetworks(c.Context, api.NetworkPrune{})
	if err != nil {
		return err
	}
	p.named(removed)
	return nil
}

func (p *program) named(networks []api.Network) {
	if len(networks) == 0 {
		fmt.Fprintln(p.Err, "There is no network that no service uses.")
	}
	for _, network := range networks {
		fmt.Fprintln(p.Out, network.Name)
	}
}

package cli

import (
	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

func (p *program) serviceWait() *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "Wait until services have converged, or a job is done", ArgsUsage: "SERVICE…",
		Description: examples("orc service wait web", "orc service wait --wait-timeout 2m web db"),
		Flags:       watchFlags()[1:],
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, -1); err != nil {
				return err
			}
			var all []api.ServiceView
			for _, ref := range c.Args().Slice() {
				service, err := cl.Service(c.Context, ref)
				if err != nil {
					return err
				}
				all = append(all, service)
			}
			return p.watchServices(c, cl, all...)
		}),
	}
}

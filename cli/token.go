package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

func (p *program) token() *cli.Command {
	return &cli.Command{
		Name: "token", Usage: "Show how a host joins the cluster", ArgsUsage: "worker|manager",
		Description: examples("orc token worker", "orc token manager -q", "orc token worker --rotate") +
			"\n\nWith --rotate the old token is void; hosts that joined with it stay.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "rotate", Usage: "make a new token"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the token"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			role := api.Role(c.Args().First())
			if role != api.RoleWorker && role != api.RoleManager {
				return usagef("orc token: %q: want worker or manager", role)
			}
			ask := cl.Token
			if c.Bool("rotate") {
				ask = cl.RotateToken
			}
			token, err := ask(c.Context, role)
			if err != nil {
				return err
			}
			if c.Bool("quiet") {
				_, err = fmt.Fprintln(p.Out, token.Token)
				return err
			}
			_, err = fmt.Fprintf(p.Out, "To add a %s to this cluster, run on its host:\n\n    %s\n\n", role, token.Command)
			return err
		}),
	}
}

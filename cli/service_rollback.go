package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api/client"
)

func (p *program) serviceRollback() *cli.Command {
	return &cli.Command{
		Name: "rollback", Usage: "Go back to an earlier revision of a service", ArgsUsage: "SERVICE",
		Description: examples("orc service rollback web", "orc service rollback --to-revision 3 web") +
			"\n\n`orc service history` lists the revisions.",
		Flags: append(watchFlags(), &cli.IntFlag{Name: "to-revision", Usage: "the revision's `NUMBER` (default: the previous one)"}),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			return p.rollBackService(c, cl)
		}),
	}
}

func (p *program) rollBackService(c *cli.Context, cl *client.Client) error {
	to := c.Int("to-revision")
	if c.IsSet("to-revision") && to < 1 {
		return usagef("--to-revision %d: revisions are numbered from 1", to)
	}
	answer, err := cl.RollbackService(c.Context, c.Args().First(), to)
	if err != nil {
		return err
	}
	p.warn(answer.Warnings)
	if _, err := fmt.Fprintf(p.Out, "%s: back to revision %d\n", answer.Service.Name, answer.Service.Current); err != nil {
		return err
	}
	return p.watchServices(c, cl, answer.Service)
}

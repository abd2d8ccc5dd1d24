package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) serviceRebalance() *cli.Command {
	return &cli.Command{
		Name: "rebalance", Usage: "Move tasks to where they are spread better", ArgsUsage: "[SERVICE…]",
		Description: examples("orc service rebalance --dry-run", "orc service rebalance web", "orc service rebalance") +
			"\n\nTasks go to nodes that came back or joined, at the pace and in the order of the services' updates." +
			"\nOnly those are moved that make the spread more even. Without a service it is all of them.",
		Flags: append(watchFlags(), &cli.BoolFlag{Name: "dry-run", Usage: "show what would be moved, and move nothing"}),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			answers, err := cl.Rebalance(c.Context, api.RebalanceRequest{Services: c.Args().Slice(), DryRun: c.Bool("dry-run")})
			if err != nil {
				return err
			}
			return p.followRebalance(c, cl, answers)
		}),
	}
}

var moveList = output.List[api.TaskMove]{
	ID: func(m api.TaskMove) string { return m.Task },
	Columns: []output.Column[api.TaskMove]{
		{Name: "Task", Header: "TASK", Value: func(m api.TaskMove) string { return m.Name }, Shrink: true, Tail: true},
		{Name: "From", Header: "FROM", Value: func(m api.TaskMove) string { return m.FromName }, Shrink: true, Tail: true},
		{Name: "To", Header: "TO", Value: func(m api.TaskMove) string { return m.ToName }, Shrink: true, Tail: true},
		{Name: "Reason", Header: "WHY", Value: func(m api.TaskMove) string { return m.Reason }, Shrink: true, Wrap: true},
	},
}

// followRebalance shows what is moved, and waits for it.
func (p *program) followRebalance(c *cli.Context, cl *client.Client, answers []api.Rebalance) error {
	var moves []api.TaskMove
	var moving []api.ServiceView
	for _, answer := range answers {
		moves = append(moves, answer.Moves...)
		if len(answer.Moves) > 0 {
			moving = append(moving, answer.Service)
			continue
		}
		if _, err := fmt.Fprintf(p.Out, "%s: %s\n", answer.Service.Name, answer.Message); err != nil {
			return err
		}
	}
	if len(answers) == 0 {
		_, err := fmt.Fprintln(p.Out, "Nothing to move: every service is spread as evenly as it can be.")
		return err
	}
	if len(moves) == 0 {
		return nil
	}
	if err := moveList.Print(p.printer(), output.Options{}, moves); err != nil || c.Bool("dry-run") {
		return err
	}
	return p.watchServices(c, cl, moving...)
}

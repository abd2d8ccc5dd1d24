package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/progress"
	"github.com/orc-project/orc/sleep"
)

func (p *program) nodePromote() *cli.Command {
	role := api.RoleManager
	return &cli.Command{
		Name: "promote", Usage: "Make workers managers", ArgsUsage: "NODE…",
		Description: examples("orc node promote n2", "orc node promote n2 n3", "orc node promote --detach n2") +
			"\n\nNothing on the node is restarted. Managers are best 3 or 5: more than half of them must be up. It waits\n" +
			"until the node has the whole database and votes; Ctrl-C ends the waiting alone.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait until it votes"}},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, -1); err != nil {
				return err
			}
			return p.each(c, func(ref string) error {
				node, err := cl.UpdateNode(c.Context, ref, api.NodeUpdate{Role: &role})
				if err != nil || c.Bool("detach") {
					return err
				}
				return p.untilItVotes(c.Context, cl, node)
			})
		}),
	}
}

func (p *program) nodeDemote() *cli.Command {
	role := api.RoleWorker
	return &cli.Command{
		Name: "demote", Usage: "Make managers workers", ArgsUsage: "NODE…",
		Description: examples("orc node demote n2") + "\n\nNothing on the node is restarted.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "also when the managers that are left are too few to agree: then nothing can be changed until those that are down are back, or `orc server --force-new-cluster`"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, -1); err != nil {
				return err
			}
			return p.each(c, func(ref string) error {
				_, err := cl.UpdateNode(c.Context, ref, api.NodeUpdate{Role: &role, Force: c.Bool("force")})
				return err
			})
		}),
	}
}

// untilItVotes waits until a manager's database counts for the quorum, and prints what
// that waits for.
func (p *program) untilItVotes(ctx context.Context, cl *client.Client, node api.NodeView) error {
	answered := time.Now()
	for said := ""; ; {
		doing := promotion(node)
		if doing == "" {
			return nil
		}
		if doing != said {
			fmt.Fprintf(p.Err, "%s: %s\n", visible(node.Name), doing)
			said = doing
		}
		if sleep.For(ctx, keyPoll) != nil {
			return interrupted(progress.ErrInterrupted, "orc node ls")
		}
		next, err := cl.Node(ctx, node.ID)
		switch {
		case err == nil && next.Role != api.RoleManager:
			return api.Conflictf("%s was made a worker again meanwhile", node.Name)
		case err == nil:
			node, answered = next, time.Now()
		case ctx.Err() != nil:
			return interrupted(progress.ErrInterrupted, "orc node ls")
		case api.CodeOf(err) != api.CodeUnavailable || time.Since(answered) > answerPatience:
			return err
		}
	}
}

// promotion says what a manager does until it votes; "" when it does.
func promotion(node api.NodeView) string {
	switch {
	case node.Manager == api.ManagerLeader, node.Manager == api.ManagerReachable, node.Manager == api.ManagerReadOnly:
		return ""
	case nodeState(node) == api.NodeDown:
		return "waiting for the node, which is down"
	case node.Manager == api.ManagerLearner:
		return "its database catches up"
	case node.Manager == api.ManagerJoining:
		return "it joins the managers' database"
	}
	return "waiting until it can be reached"
}

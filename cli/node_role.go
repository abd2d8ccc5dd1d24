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
			return p.promote(c, cl)
		}),
	}
}

// promote makes all of them managers before it waits for any: one that is down keeps no
// other from being promoted. A manager that voted before is not waited for, whether it is
// up or not: nothing becomes of it.
func (p *program) promote(c *cli.Context, cl *client.Client) error {
	type promoted struct {
		ref   string
		waits bool
		node  api.NodeView
	}
	role, detach := api.RoleManager, c.Bool("detach")
	var all []promoted
	var failed []error
	for _, ref := range c.Args().Slice() {
		each := promoted{ref: ref}
		var err error
		if !detach {
			var before api.NodeView
			before, err = cl.Node(c.Context, ref)
			each.waits = !voted(before)
		}
		if err == nil {
			each.node, err = cl.UpdateNode(c.Context, ref, api.NodeUpdate{Role: &role})
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, each)
	}
	for _, each := range all {
		if each.waits {
			if err := p.untilItVotes(c.Context, cl, each.node); err != nil {
				failed = append(failed, err)
				if c.Context.Err() != nil {
					break
				}
				continue
			}
		}
		fmt.Fprintln(p.Out, each.ref)
	}
	return together(failed)
}

// voted says whether a node is a manager whose database was made a voter, as far as can
// be told of one that is down.
func voted(node api.NodeView) bool {
	return node.Role == api.RoleManager && node.Manager != api.ManagerJoining && node.Manager != api.ManagerLearner
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

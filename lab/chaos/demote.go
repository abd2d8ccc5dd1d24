package chaos

import (
	"context"
	"fmt"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/lab"
)

// refusal is what the cluster says to a fault that it may refuse, or that nobody was
// there to ask. It may have happened all the same, so it is to be ended.
type refusal struct{ error }

// demote makes a manager a worker: one that leads hands that over while it is well.
func demote(ctx context.Context, c *Cluster, n *lab.Node) error {
	if err := c.setRole(ctx, n, api.RoleWorker); err != nil {
		return refusal{err}
	}
	return nil
}

// promote returns when the node votes: until then the cluster has fewer managers to lose
// than it seems.
func promote(ctx context.Context, c *Cluster, n *lab.Node) error {
	return again(ctx, c.pace, healTime, func() error {
		if err := c.setRole(ctx, n, api.RoleManager); err != nil {
			return err
		}
		return c.Ask(ctx, func(ctx context.Context, to *client.Client) error {
			node, err := to.Node(ctx, n.Name())
			if err == nil && !votes(node) {
				err = fmt.Errorf("%s does not vote: it is %s", n.Name(), node.Manager)
			}
			return err
		})
	})
}

func (c *Cluster) setRole(ctx context.Context, n *lab.Node, role api.Role) error {
	return c.Ask(ctx, func(ctx context.Context, to *client.Client) error {
		_, err := to.UpdateNode(ctx, n.Name(), api.NodeUpdate{Role: &role})
		return err
	})
}

// votes says whether a node's database counts for the quorum.
func votes(node api.NodeView) bool {
	return node.Manager == api.ManagerLeader || node.Manager == api.ManagerReachable
}

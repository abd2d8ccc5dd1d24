package chaos

import (
	"context"
	"errors"
	"time"

	"github.com/orc-project/orc/lab"
)

// Fault is one way to hurt a node.
type Fault struct {
	Name string
	// On says which nodes it is for.
	On Role
	// Hold is how long it lasts: at least and at most. Zero is a fault that is over
	// when Begin returns.
	Hold [2]time.Duration
	// Weight is how often it is drawn, against the others.
	Weight int
	// Alone is a fault that waits until no other is going on, and keeps others waiting.
	Alone bool
	// Begin hurts the node, End, which may be nil, lets it go on. Begin that fails
	// has done nothing.
	Begin func(context.Context, *Cluster, *lab.Node) error
	End   func(context.Context, *Cluster, *lab.Node) error
}

// Role says which nodes are meant. It is known only when the time has come who
// leads.
type Role string

// The roles.
const (
	Anybody Role = "node"
	Leader  Role = "leader"
	Manager Role = "manager" // the leader too
	Worker  Role = "worker"
)

// includes says whether a fault for r may be done to a node in the role other.
func (r Role) includes(other Role) bool {
	return r == Anybody || r == other || r == Manager && other == Leader
}

// Faults are all there are, by name.
var Faults = map[string]Fault{}

func init() {
	for _, fault := range []Fault{
		{
			Name: "crash", On: Anybody, Weight: 4, Hold: [2]time.Duration{0, 5 * time.Second},
			Begin: func(ctx context.Context, _ *Cluster, n *lab.Node) error { return n.KillProcess(ctx) },
			End:   start,
		},
		{
			Name: "stop", On: Anybody, Weight: 2, Hold: [2]time.Duration{0, 5 * time.Second},
			Begin: func(ctx context.Context, _ *Cluster, n *lab.Node) error { return n.Stop(ctx) },
			End:   start,
		},
		{
			Name: "power", On: Anybody, Weight: 3, Hold: [2]time.Duration{0, 8 * time.Second},
			Begin: func(ctx context.Context, c *Cluster, n *lab.Node) error { return c.cutPower(ctx, n) },
			End:   start,
		},
		{
			Name: "freeze", On: Anybody, Weight: 3, Hold: [2]time.Duration{time.Second, 12 * time.Second},
			Begin: func(_ context.Context, _ *Cluster, n *lab.Node) error { return n.Freeze() },
			End:   func(_ context.Context, _ *Cluster, n *lab.Node) error { return n.Thaw() },
		},
		{
			Name: "pause", On: Anybody, Weight: 3, Hold: [2]time.Duration{time.Second, 12 * time.Second},
			Begin: func(_ context.Context, _ *Cluster, n *lab.Node) error { return n.Pause() },
			End:   func(_ context.Context, _ *Cluster, n *lab.Node) error { return n.Resume() },
		},
		{
			Name: "cut", On: Anybody, Weight: 4, Hold: [2]time.Duration{time.Second, 12 * time.Second},
			Begin: func(_ context.Context, _ *Cluster, n *lab.Node) error { return n.Cut() },
			End:   func(_ context.Context, _ *Cluster, n *lab.Node) error { return n.Heal() },
		},
		{
			Name: "flap", On: Anybody, Weight: 2, Hold: [2]time.Duration{2 * time.Second, 8 * time.Second},
			Begin: func(_ context.Context, c *Cluster, n *lab.Node) error {
				return c.flicker(n, 300*time.Millisecond, n.Cut, n.Heal)
			},
			End: func(_ context.Context, c *Cluster, n *lab.Node) error { return c.steady(n) },
		},
		{
			Name: "starve", On: Anybody, Weight: 2, Hold: [2]time.Duration{2 * time.Second, 8 * time.Second},
			Begin: func(_ context.Context, c *Cluster, n *lab.Node) error {
				return c.flicker(n, 90*time.Millisecond, n.Freeze, n.Thaw)
			},
			End: func(_ context.Context, c *Cluster, n *lab.Node) error { return c.steady(n) },
		},
		{
			Name: "fill", On: Anybody, Weight: 2, Hold: [2]time.Duration{time.Second, 8 * time.Second},
			Begin: func(_ context.Context, c *Cluster, n *lab.Node) error { return c.disks.fill(n.Name()) },
			End: func(ctx context.Context, c *Cluster, n *lab.Node) error {
				return errors.Join(c.disks.free(n.Name()), revive(ctx, n))
			},
		},
		{
			Name: "hang", On: Anybody, Weight: 3, Hold: [2]time.Duration{time.Second, 12 * time.Second},
			Begin: func(_ context.Context, c *Cluster, n *lab.Node) error { return c.disks.freeze(n.Name()) },
			End: func(ctx context.Context, c *Cluster, n *lab.Node) error {
				return errors.Join(c.disks.thaw(n.Name()), revive(ctx, n))
			},
		},
		{
			Name: "slow", On: Anybody, Weight: 2, Hold: [2]time.Duration{2 * time.Second, 8 * time.Second},
			Begin: func(_ context.Context, c *Cluster, n *lab.Node) error {
				return c.flicker(n, 150*time.Millisecond,
					func() error { return c.disks.freeze(n.Name()) }, func() error { return c.disks.thaw(n.Name()) })
			},
			End: func(ctx context.Context, c *Cluster, n *lab.Node) error {
				return errors.Join(c.steady(n), revive(ctx, n))
			},
		},
		restore,
	} {
		Faults[fault.Name] = fault
	}
}

// revive does what systemd would for a node whose process has ended, as a database does
// that cannot write.
func revive(ctx context.Context, n *lab.Node) error {
	if n.Pid() != 0 {
		return nil
	}
	return n.Start(ctx)
}

func start(ctx context.Context, _ *Cluster, n *lab.Node) error { return n.Start(ctx) }

package chaos

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/orc-project/orc/lab"
	"github.com/orc-project/orc/sleep"
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
	// Heard is a fault that is no reason to take the node for lost.
	Heard bool
	// With, which may be nil, are the nodes that are hurt beside the chosen one.
	With func(*Cluster, *lab.Node) []*lab.Node
	// Alone is a fault that waits until no other is going on, and keeps others waiting.
	Alone bool
	// Needs, which may be nil, says what the fault lacks on this machine.
	Needs func() error
	// Begin hurts the node, End, which may be nil, lets it go on. Begin that fails
	// has done nothing, unless that is a refusal.
	Begin func(context.Context, *Cluster, *lab.Node) error
	End   func(context.Context, *Cluster, *lab.Node) error
}

// nodes are those that the fault hurts when n is chosen, which is the first.
func (f Fault) nodes(c *Cluster, n *lab.Node) []*lab.Node {
	nodes := []*lab.Node{n}
	if f.With != nil {
		nodes = append(nodes, f.With(c, n)...)
	}
	return nodes
}

func names(nodes []*lab.Node) string {
	all := make([]string, len(nodes))
	for i, node := range nodes {
		all[i] = node.Name()
	}
	return strings.Join(all, "+")
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
			Name: "split", On: Manager, Weight: 3, Hold: [2]time.Duration{time.Second, 12 * time.Second},
			With: besides, Begin: split, End: unfilter("split"),
		},
		{
			Name: "deaf", On: Anybody, Weight: 2, Hold: [2]time.Duration{time.Second, 12 * time.Second},
			Begin: filter("deaf", func(n string) []lab.Drop { return []lab.Drop{{To: n}} }), End: unfilter("deaf"),
		},
		{
			Name: "mute", On: Anybody, Weight: 2, Hold: [2]time.Duration{time.Second, 12 * time.Second},
			Begin: filter("mute", func(n string) []lab.Drop { return []lab.Drop{{From: n}} }), End: unfilter("mute"),
		},
		{
			Name: "lossy", On: Anybody, Weight: 2, Hold: [2]time.Duration{2 * time.Second, 8 * time.Second},
			Begin: filter("lossy", func(n string) []lab.Drop {
				return []lab.Drop{{From: n, Percent: lost}, {To: n, Percent: lost}}
			}),
			End: unfilter("lossy"),
		},
		{
			Name: "starve", On: Anybody, Weight: 2, Heard: true, Hold: [2]time.Duration{2 * time.Second, 8 * time.Second},
			Begin: func(_ context.Context, c *Cluster, n *lab.Node) error {
				return c.flicker(n, 90*time.Millisecond, n.Freeze, n.Thaw)
			},
			End: func(_ context.Context, c *Cluster, n *lab.Node) error { return c.steady(n) },
		},
		{
			Name: "throttle", On: Anybody, Weight: 2, Heard: true, Needs: quotas, Hold: [2]time.Duration{2 * time.Second, 8 * time.Second},
			Begin: func(_ context.Context, _ *Cluster, n *lab.Node) error { return throttle(n.Name(), n.Pid()) },
			End:   func(ctx context.Context, _ *Cluster, n *lab.Node) error { return unthrottle(ctx, n.Name()) },
		},
		{
			Name: "fill", On: Anybody, Weight: 2, Hold: [2]time.Duration{time.Second, 8 * time.Second},
			Begin: func(_ context.Context, c *Cluster, n *lab.Node) error { return c.disks.fill(n.Name()) },
			End: func(ctx context.Context, c *Cluster, n *lab.Node) error {
				return errors.Join(c.disks.free(n.Name()), revive(ctx, c, n))
			},
		},
		{
			Name: "hang", On: Anybody, Weight: 3, Heard: true, Needs: loopDisks, Hold: [2]time.Duration{time.Second, 12 * time.Second},
			Begin: func(_ context.Context, c *Cluster, n *lab.Node) error { return c.disks.freeze(n.Name()) },
			End: func(ctx context.Context, c *Cluster, n *lab.Node) error {
				return errors.Join(c.disks.thaw(n.Name()), revive(ctx, c, n))
			},
		},
		{
			Name: "slow", On: Anybody, Weight: 2, Heard: true, Needs: loopDisks, Hold: [2]time.Duration{2 * time.Second, 8 * time.Second},
			Begin: func(_ context.Context, c *Cluster, n *lab.Node) error {
				return c.flicker(n, 150*time.Millisecond,
					func() error { return c.disks.freeze(n.Name()) }, func() error { return c.disks.thaw(n.Name()) })
			},
			End: func(ctx context.Context, c *Cluster, n *lab.Node) error {
				return errors.Join(c.steady(n), revive(ctx, c, n))
			},
		},
		{
			Name: "demote", On: Manager, Weight: 2, Hold: [2]time.Duration{0, 5 * time.Second},
			Begin: demote, End: promote,
		},
		restore,
	} {
		Faults[fault.Name] = fault
	}
}

// reviveTime is how long a process may take to end of what it could not write before.
const reviveTime = 2 * time.Second

// revive does what systemd would for a node whose process ends, as a database does that
// cannot write.
func revive(ctx context.Context, c *Cluster, n *lab.Node) error {
	for began := c.pace.Now(); c.pace.Now()-began < reviveTime; {
		if n.Pid() == 0 {
			return n.Start(ctx)
		}
		if err := sleep.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func start(ctx context.Context, _ *Cluster, n *lab.Node) error { return n.Start(ctx) }

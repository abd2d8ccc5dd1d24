package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/lab"
	"github.com/orc-project/orc/sleep"
)

// healTime is how long the end of a fault may take, should the run be over.
const healTime = time.Minute

// Deed is what became of an event.
type Deed struct {
	Event
	Node  string        `json:"node,omitempty"` // "" when no node in the role was well
	Began time.Duration `json:"began"`          // on the history's clock
	Ended time.Duration `json:"ended"`
	Error string        `json:"error,omitempty"`
}

func (d Deed) String() string {
	switch {
	case d.Node == "":
		return fmt.Sprintf("%s of a %s: none is well", d.Fault, d.Role)
	case d.Error != "":
		return fmt.Sprintf("%s of %s (%s): %s", d.Fault, d.Node, d.Role, d.Error)
	}
	return fmt.Sprintf("%s of %s (%s) for %.1fs", d.Fault, d.Node, d.Role, (d.Ended - d.Began).Seconds())
}

// nemesis carries a schedule out.
type nemesis struct {
	cluster *Cluster
	clock   func() time.Duration
	say     func(string)

	mu    sync.Mutex
	taken map[string]bool // nodes that have a fault or are about to
	deeds []Deed
}

// run returns when the last fault has ended. When ctx ends first, no more faults
// begin, and those that have begun are ended.
func (n *nemesis) run(ctx context.Context, schedule []Event) error {
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for _, event := range schedule {
		group.Go(func() error {
			if sleep.For(ctx, time.Until(began.Add(event.At))) != nil {
				return nil
			}
			return n.do(ctx, event)
		})
	}
	return group.Wait()
}

func (n *nemesis) do(ctx context.Context, event Event) error {
	defer n.enter(Faults[event.Fault])()
	deed := Deed{Event: event, Began: n.clock()}
	defer func() {
		deed.Ended = n.clock()
		n.mu.Lock()
		defer n.mu.Unlock()
		n.deeds = append(n.deeds, deed)
		n.say(deed.String())
	}()
	node := n.take(ctx, event)
	if node == nil {
		return nil
	}
	defer n.release(node)
	deed.Node = names(Faults[event.Fault].nodes(n.cluster, node))
	err := n.hurt(ctx, event, node)
	if err != nil {
		deed.Error = err.Error()
		return fmt.Errorf("%s of %s: %w", event.Fault, node.Name(), err)
	}
	return nil
}

// enter waits until a fault may begin, and returns what ends it.
func (n *nemesis) enter(fault Fault) (leave func()) {
	if fault.Alone {
		n.cluster.alone.Lock()
		return n.cluster.alone.Unlock
	}
	n.cluster.alone.RLock()
	return n.cluster.alone.RUnlock
}

// hurt does the fault from its beginning to its end.
func (n *nemesis) hurt(ctx context.Context, event Event, node *lab.Node) error {
	fault := Faults[event.Fault]
	n.say(fmt.Sprintf("%s of %s (%s)", event.Fault, names(fault.nodes(n.cluster, node)), event.Role))
	for _, each := range fault.nodes(n.cluster, node) {
		n.cluster.health.begin(each.Name(), !fault.Heard)
		defer func() { n.cluster.health.end(each.Name(), !fault.Heard, n.cluster.pace.Now()) }()
	}
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), healTime)
	defer cancel()
	err := fault.Begin(inner, n.cluster, node)
	var no refusal
	switch {
	case errors.As(err, &no):
		n.say(fmt.Sprintf("%s of %s is refused: %v", event.Fault, node.Name(), no))
	case err != nil:
		return fmt.Errorf("begin: %w", err)
	}
	if fault.End == nil {
		return nil
	}
	if sleep.For(ctx, event.Hold) != nil {
		n.say("the run is over: ending " + event.Fault + " of " + node.Name())
	}
	inner, cancel = context.WithTimeout(context.WithoutCancel(ctx), healTime)
	defer cancel()
	if err := fault.End(inner, n.cluster, node); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}

// take chooses the node for an event and keeps others from it; nil when there is none.
func (n *nemesis) take(ctx context.Context, event Event) *lab.Node {
	leader := ""
	if event.Role == Leader || event.Role == Manager {
		leader = n.cluster.leader(ctx)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	fit := n.fit(event.Role, leader)
	if len(fit) == 0 && event.Sure {
		fit = n.fit(Faults[event.Fault].On, leader)
	}
	if len(fit) == 0 {
		return nil
	}
	chosen := fit[event.Pick%len(fit)]
	n.taken[chosen.Name()] = true
	return chosen
}

// fit are the nodes in a role that have no fault.
func (n *nemesis) fit(wanted Role, leader string) []*lab.Node {
	var fit []*lab.Node
	for _, node := range n.cluster.Lab.Nodes() {
		role := Worker
		if node.Manager() {
			role = Manager
		}
		if node.Name() == leader {
			role = Leader
		}
		if wanted.includes(role) && !n.taken[node.Name()] {
			fit = append(fit, node)
		}
	}
	return fit
}

func (n *nemesis) release(node *lab.Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.taken, node.Name())
}

package network

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// leading is a world with a leader that keeps its networks.
type leading struct {
	*world
	keeper *Keeper
	now    time.Time
	seen   *store.Snapshot
}

func newLeading(t testing.TB, nodes int) *leading {
	l := &leading{world: newWorld(t), now: start}
	for i := range nodes {
		l.node(fmt.Sprintf("n%d", i+1))
	}
	l.keeper, l.seen = NewKeeper(l.snapshot), l.snapshot
	return l
}

func (l *leading) node(id string) {
	l.put(&api.Node{Meta: api.Meta{ID: id}, Name: id, Runs: true})
	l.state(id, api.NodeReady)
}

func (l *leading) state(id string, state api.NodeState) {
	l.put(&api.NodeStatus{Meta: api.Meta{ID: id}, State: state, Since: l.now})
}

func (l *leading) task(id, service, node string) {
	current := store.Get[api.Service](l.snapshot, service).Current
	l.put(&api.Task{Meta: api.Meta{ID: id}, Service: service, Revision: current, Node: node, Desired: api.DesiredRun})
}

func (l *leading) ends(task string) {
	l.put(&api.TaskStatus{Meta: api.Meta{ID: task}, State: api.TaskShutdown})
}

// keep plans and writes until nothing is to be done, and returns the reasons.
func (l *leading) keep() []string {
	var reasons []string
	for round := 0; ; round++ {
		require.Less(l.t, round, 100, "it does not come to an end: %v", reasons)
		if changes := store.Diff(l.seen, l.snapshot); len(changes) > 0 {
			l.keeper.Observe(store.Update{Snapshot: l.snapshot, Changes: changes})
			l.seen = l.snapshot
		}
		plan := l.keeper.Plan(l.now)
		if len(plan.Steps) == 0 {
			return reasons
		}
		seen := make(map[string]bool)
		for _, step := range plan.Steps {
			require.NotEmpty(l.t, step.Reason)
			of := step.After
			if of == nil {
				of = step.Before
			}
			key := string(of.Kind()) + of.Header().ID
			require.False(l.t, seen[key], "two steps for one object: %s", key)
			seen[key] = true
			l.write([]Change{{step.Before, step.After}})
			reasons = append(reasons, step.Reason)
		}
	}
}

func (l *leading) block(network, node string) *api.Block {
	return store.Get[api.Block](l.snapshot, api.BlockID(network, node))
}

func (l *leading) capacity(network, node string) int {
	block := l.block(network, node)
	if block == nil {
		return 0
	}
	return assignable(store.Get[api.Network](l.snapshot, network).Subnet, block.Prefixes)
}

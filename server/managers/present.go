package managers

import (
	"context"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

const (
	// presentTime is how long a manager may take to answer before its vote is not
	// counted on.
	presentTime = time.Second
	// presentAgain is the pause before one is asked again that is about to learn who leads.
	presentAgain = 100 * time.Millisecond
)

// present asks the nodes of voters, all at once, whether they are there: what Alive says
// is up to a node timeout old, and whoever died since would be counted on. Those that are
// not asked are away, but for this manager.
func (m *Managers) present(ctx context.Context, voters []store.Member, nodeOf func(id string) *api.Node) (alive func(name string) bool) {
	ctx, cancel := context.WithTimeout(ctx, presentTime)
	defer cancel()
	there := map[string]bool{m.config.Node: true}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, each := range voters {
		node := nodeOf(each.Name)
		if each.Learner || each.Name == m.config.Node || node == nil || node.API == "" {
			continue
		}
		asking.Go(func() {
			if m.connects(ctx, node.ID, node.API) {
				mu.Lock()
				defer mu.Unlock()
				there[node.ID] = true
			}
		})
	}
	asking.Wait()
	return func(name string) bool { return there[name] }
}

// connects asks a manager until it says that it is one of those that agree on a leader,
// or ctx ends.
func (m *Managers) connects(ctx context.Context, id, address string) bool {
	for {
		var answer alive
		err := m.ping(ctx, address, &answer)
		if err == nil && answer.Node == id && answer.Connected {
			return true
		}
		if sleep.For(ctx, presentAgain) != nil {
			return false
		}
	}
}

// without are the members but one.
func without(members []store.Member, id uint64) []store.Member {
	var rest []store.Member
	for _, each := range members {
		if each.ID != id {
			rest = append(rest, each)
		}
	}
	return rest
}

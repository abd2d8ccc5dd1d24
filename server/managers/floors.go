package managers

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

// Each manager knows how far the nodes have come whose sessions it holds
// (session.Dispatcher.Floor). While one of them waits for all nodes, it asks the
// others, time and again; while nobody waits, nothing is asked.

const (
	// floorEvery is the least time between two questions.
	floorEvery   = 20 * time.Millisecond
	floorTimeout = time.Second
)

// floorAnswer is what GET /v1/floor answers.
type floorAnswer struct {
	Node  string `json:"node"`
	Floor int64  `json:"floor"`
}

// Floor is how far the nodes of all other managers have come, as last heard; it has
// them asked again, and Heard tells of the answers. The nodes of a manager that does
// not answer count as it said last, until another manager has them or they are gone
// for session.HoldLimit.
func (m *Managers) Floor() int64 {
	floor := int64(math.MaxInt64)
	holders := m.holders(time.Now())
	m.mu.Lock()
	for id := range holders {
		floor = min(floor, m.floors[id]) // 0 before the first answer
	}
	m.mu.Unlock()
	if len(holders) > 0 {
		select {
		case m.wanted <- struct{}{}:
		default:
		}
	}
	return floor
}

// Heard delivers when there is news of Floor.
func (m *Managers) Heard() <-chan struct{} { return m.heard }

// holders are the other managers that answer for nodes.
func (m *Managers) holders(now time.Time) map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := make(map[string]bool)
	for status := range store.All[api.NodeStatus](m.config.Store.Snapshot()) {
		if status.Manager == "" || status.Manager == m.config.Node {
			continue
		}
		if status.State == api.NodeReady || now.Sub(m.since(status, now)) < session.HoldLimit {
			found[status.Manager] = true
		}
	}
	return found
}

// since is when a node came into its state or, if a manager whose clock is ahead says
// that it is to come, when this one first saw it. The caller holds mu.
func (m *Managers) since(status *api.NodeStatus, now time.Time) time.Time {
	if !status.Since.After(now) {
		delete(m.early, status.ID)
		return status.Since
	}
	if _, known := m.early[status.ID]; !known {
		m.early[status.ID] = now
	}
	return m.early[status.ID]
}

// ServeFloor answers GET /v1/floor, to other managers.
func (m *Managers) ServeFloor(dispatcher *session.Dispatcher) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := ca.Require(r.Context(), ca.RoleManager); err != nil {
			session.Refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(floorAnswer{m.config.Node, dispatcher.Floor()}) // who asked may be gone
	}
}

// watchFloors asks the others whenever somebody wants to know, until ctx ends.
func (m *Managers) watchFloors(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.wanted:
		}
		m.askFloors(ctx)
		select {
		case m.heard <- struct{}{}:
		default:
		}
		if err := sleep.For(ctx, floorEvery); err != nil {
			return err
		}
	}
}

// askFloors asks every manager that answers for nodes and is there.
func (m *Managers) askFloors(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, floorTimeout)
	defer cancel()
	snapshot := m.config.Store.Snapshot()
	var asking sync.WaitGroup
	for id := range m.holders(time.Now()) {
		node := store.Get[api.Node](snapshot, id)
		if node == nil || node.API == "" || !m.Alive(id) {
			continue
		}
		asking.Go(func() {
			var answer floorAnswer
			if m.get(ctx, node.API, "/v1/floor", &answer) != nil || answer.Node != id {
				return // what it said last still counts
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.floors[id] = answer.Floor
		})
	}
	asking.Wait()
}

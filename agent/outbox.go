package agent

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/orc-project/orc/api"
)

// outbox has the statuses that managers have not been told of, the newest of each
// task.
type outbox struct {
	mu      sync.Mutex
	pending map[string]api.TaskStatus
	ready   chan struct{}
}

func (o *outbox) init() {
	o.pending, o.ready = make(map[string]api.TaskStatus), make(chan struct{}, 1)
}

func (o *outbox) put(status api.TaskStatus) {
	o.mu.Lock()
	o.pending[status.ID] = status
	o.mu.Unlock()
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

func (o *outbox) drop(task string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.pending, task)
}

// Ready is sent to when there are statuses to take.
func (a *Agent) Ready() <-chan struct{} { return a.outbox.ready }

// Take returns the statuses that changed since the last Take, in the order of
// their IDs. Whoever takes them and cannot deliver them asks for all Statuses next
// time.
func (a *Agent) Take() []api.TaskStatus {
	a.outbox.mu.Lock()
	defer a.outbox.mu.Unlock()
	taken := sorted(a.outbox.pending)
	clear(a.outbox.pending)
	return taken
}

// Statuses returns every task's, in the order of their IDs, once what runs has
// been found again. It returns nothing when ctx ends before that.
func (a *Agent) Statuses(ctx context.Context) []api.TaskStatus {
	select {
	case <-a.adopted:
	case <-ctx.Done():
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make(map[string]api.TaskStatus, len(a.tasks))
	for id, t := range a.tasks {
		if _, assigned := a.set.Tasks[id]; assigned {
			if status := t.snapshot(); status.State != "" { // else there is nothing to tell yet
				all[id] = status
			}
		}
	}
	return sorted(all)
}

func sorted(statuses map[string]api.TaskStatus) []api.TaskStatus {
	list := make([]api.TaskStatus, 0, len(statuses))
	for _, id := range slices.Sorted(maps.Keys(statuses)) {
		list = append(list, statuses[id])
	}
	return list
}

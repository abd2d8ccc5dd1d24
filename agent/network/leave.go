package network

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/disk"
	"github.com/orc-project/orc/agent/network/rules"
	"github.com/orc-project/orc/api/wire"
)

// withdrawWait bounds how long a leaving task waits for other nodes to let go of
// it: one that is cut off must not hold back those that are not.
const withdrawWait = 3 * time.Second

// Withdraw implements agent.Networks.
func (f *Fabric) Withdraw(ctx context.Context, assignment wire.Assignment) error {
	late := time.NewTimer(withdrawWait)
	defer late.Stop()
	for {
		f.mu.Lock()
		backend, named := f.tables.Backends[assignment.Task.ID]
		gone := (!named || backend.Draining) && f.settled >= assignment.Task.Version
		changed := f.changed
		f.mu.Unlock()
		if gone {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return nil
		case <-changed:
		}
	}
}

// Detach implements agent.Networks. The addresses rest until no node sends to them.
func (f *Fabric) Detach(_ context.Context, task string) error {
	f.mu.Lock()
	if f.left {
		f.mu.Unlock()
		return nil // all of it is gone
	}
	each := f.alloc.free(task, time.Now())
	if each != nil {
		f.update(noNames)
	}
	f.mu.Unlock()
	if each == nil {
		return f.links.Detach(task)
	}
	if err := disk.Save(f.taskFile(task), each, false); err != nil {
		f.log.Warn("a task's addresses cannot be kept", zap.Error(err))
	}
	for _, address := range each.list() {
		f.flushing.add(time.Now(), address, rules.All)
	}
	err := f.links.Detach(task)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leave()
	return err
}

// schedule has the connections to withdrawn backends forgotten once they have had
// their time. Those of TCP to one that only leaves are kept until it is gone: its
// answer, or its last word, would not find back to the client. The caller holds mu.
func (f *Fabric) schedule(withdrawn map[string]wire.Backend) {
	now := time.Now()
	for task, backend := range withdrawn {
		at, which := now, rules.All
		if !backend.Draining {
			at = now.Add(f.tables.Services[backend.Service].DrainDelay.Std())
		}
		if next := f.tables.Backends[task]; next.Draining && !next.Away && maps.Equal(next.Addresses, backend.Addresses) {
			which = rules.Connectionless
		}
		for _, address := range backend.Addresses {
			f.flushing.add(at, address, which)
		}
	}
}

// flush forgets tracked connections to addresses, unless one is a backend again.
func (f *Fabric) flush(due map[netip.Addr]rules.Forgotten) {
	f.mu.Lock()
	for _, backends := range f.tables.ready() {
		for _, backend := range backends {
			for _, address := range backend.Addresses {
				delete(due, address)
			}
		}
	}
	f.mu.Unlock()
	if _, err := rules.FlushConntrack(f.links.Router(), due); err != nil {
		f.log.Error("connections to tasks that are gone cannot be forgotten", zap.Error(err))
	}
}

// flushes are addresses whose connections are to be forgotten, each at its time.
type flushes struct {
	mu   sync.Mutex
	due  map[flush]time.Time
	more chan struct{}
}

type flush struct {
	address netip.Addr
	which   rules.Forgotten
}

func newFlushes() *flushes {
	return &flushes{due: make(map[flush]time.Time), more: make(chan struct{}, 1)}
}

func (q *flushes) add(at time.Time, address netip.Addr, which rules.Forgotten) {
	q.mu.Lock()
	what := flush{address, which}
	if earlier, known := q.due[what]; !known || at.Before(earlier) {
		q.due[what] = at
	}
	q.mu.Unlock()
	signal(q.more)
}

// take returns what is due, and when the next is; zero for none.
func (q *flushes) take(now time.Time) (due map[netip.Addr]rules.Forgotten, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	due = make(map[netip.Addr]rules.Forgotten)
	for what, at := range q.due {
		if !at.After(now) {
			due[what.address] = max(due[what.address], what.which)
			delete(q.due, what)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return due, next
}

func (q *flushes) run(ctx context.Context, flush func(map[netip.Addr]rules.Forgotten)) error {
	for {
		due, next := q.take(time.Now())
		if len(due) > 0 {
			flush(due)
		}
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-q.more:
		case <-timer:
		}
	}
}

package network

import (
	"context"
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
	f.flushing.add(time.Now(), each.list())
	err := f.links.Detach(task)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leave()
	return err
}

// schedule has the connections to withdrawn backends forgotten once they have had
// their time. The caller holds mu.
func (f *Fabric) schedule(withdrawn []wire.Backend) {
	now := time.Now()
	for _, backend := range withdrawn {
		at := now
		if !backend.Draining {
			at = now.Add(f.tables.Services[backend.Service].DrainDelay.Std())
		}
		var addresses []netip.Addr
		for _, address := range backend.Addresses {
			addresses = append(addresses, address)
		}
		f.flushing.add(at, addresses)
	}
}

// flush forgets tracked connections to addresses, unless one is a backend again.
func (f *Fabric) flush(due []netip.Addr) {
	f.mu.Lock()
	live := make(map[netip.Addr]bool)
	for _, backends := range f.tables.ready() {
		for _, backend := range backends {
			for _, address := range backend.Addresses {
				live[address] = true
			}
		}
	}
	f.mu.Unlock()
	var gone []netip.Addr
	for _, address := range due {
		if !live[address] {
			gone = append(gone, address)
		}
	}
	if len(gone) == 0 {
		return
	}
	if _, err := rules.FlushConntrack(f.links.Router(), gone); err != nil {
		f.log.Error("connections to tasks that are gone cannot be forgotten", zap.Error(err))
	}
}

// flushes are addresses whose connections are to be forgotten, each at its time.
type flushes struct {
	mu   sync.Mutex
	due  map[netip.Addr]time.Time
	more chan struct{}
}

func newFlushes() *flushes {
	return &flushes{due: make(map[netip.Addr]time.Time), more: make(chan struct{}, 1)}
}

func (q *flushes) add(at time.Time, addresses []netip.Addr) {
	q.mu.Lock()
	for _, address := range addresses {
		if earlier, known := q.due[address]; !known || at.Before(earlier) {
			q.due[address] = at
		}
	}
	q.mu.Unlock()
	signal(q.more)
}

// take returns what is due, and when the next is; zero for none.
func (q *flushes) take(now time.Time) (due []netip.Addr, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for address, at := range q.due {
		if !at.After(now) {
			due = append(due, address)
			delete(q.due, address)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return due, next
}

func (q *flushes) run(ctx context.Context, flush func([]netip.Addr)) error {
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

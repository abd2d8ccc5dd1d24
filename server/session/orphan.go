package session

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

// orphanEvery is how often the leader looks for nodes whose manager is gone.
const orphanEvery = 200 * time.Millisecond

// Orphans writes off nodes whose manager is gone and that no other manager has
// heard of, while leadership lasts. A node that lives has long enough to find
// another one; the node of a manager that fell silent fell silent with it.
//
//	session with M ──(M gone)──▶ orphan ──(node timeout, and time to find another)──▶ down
//	    ▲────(session with any manager, M back)────┘
//
// alive says whether a manager does its work, answers whether its process is there:
// after a time without a quorum none may be known to do its work yet, and one whose
// disk is full does not.
func (d *Dispatcher) Orphans(ctx context.Context, leadership store.Leadership, alive, answers func(manager string) bool) error {
	watcher := d.config.Store.Watch()
	defer watcher.Close()
	o := &orphans{held: make(map[string]map[string]*api.NodeStatus), since: make(map[string]time.Time), heard: make(map[string]time.Time), alive: alive, answers: answers}
	last := time.Now()
	for {
		timed, cancel := ctx, context.CancelFunc(func() {})
		if !o.none(d.config.Node) {
			timed, cancel = context.WithTimeout(ctx, sleep.Next(orphanEvery))
		}
		update, err := watcher.Next(timed)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case err == nil:
			o.observe(update, time.Now())
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		now := time.Now()
		if late := now.Sub(last); late > 5*orphanEvery {
			o.forgive(late)
		}
		last = now
		if err := d.writeOff(ctx, leadership, o.lost(now, d.nodeTimeout())); err != nil {
			return err
		}
	}
}

func (d *Dispatcher) nodeTimeout() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.timeout
}

// writeOff writes what is still so: a node that has found another manager has
// another status by then.
func (d *Dispatcher) writeOff(ctx context.Context, leadership store.Leadership, lost []*api.NodeStatus) error {
	for _, each := range lost {
		next := *each
		next.State, next.Since, next.Updated = api.NodeDown, time.Now().UTC(), time.Now().UTC()
		next.Message = "the manager that it was connected to is gone"
		tx := &store.Tx{}
		tx.Update(&next)
		switch _, err := leadership.Commit(ctx, tx); {
		case err == nil:
			d.log.Warn("node is down", zap.String("node", next.ID), zap.String("reason", next.Message))
		case !errors.Is(err, store.ErrConflict):
			return err
		}
	}
	return nil
}

// orphans knows which nodes are up, by the manager that holds their sessions, and
// since when managers are gone.
type orphans struct {
	held  map[string]map[string]*api.NodeStatus // by manager, by node
	since map[string]time.Time
	// heard is when a manager last wrote of a node that is connected to it: it was
	// there then, whatever else is known of it.
	heard map[string]time.Time

	alive, answers func(manager string) bool
	// snapshot is the newest one seen.
	snapshot *store.Snapshot
}

func (o *orphans) observe(update store.Update, now time.Time) {
	begun := o.snapshot != nil
	o.snapshot = update.Snapshot
	if !begun {
		for status := range store.All[api.NodeStatus](update.Snapshot) {
			o.set(nil, status)
		}
		return
	}
	for _, change := range update.Changes {
		if change.Kind == api.KindNodeStatus {
			before, _ := change.Old.(*api.NodeStatus)
			after, _ := change.New.(*api.NodeStatus)
			o.set(before, after)
			if after != nil && after.State == api.NodeReady {
				o.heard[after.Manager] = now
			}
		}
	}
}

// none says that nodes are with this manager alone, which is here: there is nothing to
// look for until something changes.
func (o *orphans) none(self string) bool {
	return len(o.held) == 0 || len(o.held) == 1 && o.held[self] != nil
}

func (o *orphans) set(before, after *api.NodeStatus) {
	if before != nil {
		if delete(o.held[before.Manager], before.ID); len(o.held[before.Manager]) == 0 {
			delete(o.held, before.Manager)
			delete(o.since, before.Manager)
			delete(o.heard, before.Manager)
		}
	}
	if after == nil || after.State != api.NodeReady {
		return
	}
	if o.held[after.Manager] == nil {
		o.held[after.Manager] = make(map[string]*api.NodeStatus)
	}
	o.held[after.Manager][after.ID] = after
}

// lost are the nodes whose time is over.
func (o *orphans) lost(now time.Time, timeout time.Duration) []*api.NodeStatus {
	var lost []*api.NodeStatus
	for manager, nodes := range o.held {
		if o.alive(manager) || now.Sub(o.heard[manager]) < timeout {
			delete(o.since, manager)
			continue
		}
		if _, known := o.since[manager]; !known {
			o.since[manager] = now
		}
		waited := now.Sub(o.since[manager])
		for id, status := range nodes {
			// The node of a manager that is gone was silent for the node timeout already.
			if o.manages(id) && !o.answers(id) || waited > timeout+comeBack {
				lost = append(lost, status)
			}
		}
	}
	return lost
}

func (o *orphans) manages(id string) bool {
	node := store.Get[api.Node](o.snapshot, id)
	return node != nil && node.Role == api.RoleManager
}

func (o *orphans) forgive(late time.Duration) {
	for manager, since := range o.since {
		o.since[manager] = since.Add(late)
	}
}

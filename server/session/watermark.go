package session

import (
	"context"
	"math"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

// The watermark is a revision that every node has acted on (see wire.Down.Settled).
// A node holds it back from when it is told of something until it has acted on it,
// and, when its connection breaks, until it is back and has, but for a while only: a
// node that is gone for good must not keep others' tasks from ending, and one that is
// away for so long is not asked for connections any more.
const (
	// HoldLimit is how long a node holds the watermark back at most.
	HoldLimit = time.Minute
	// settleEvery is how long acknowledgements are gathered before sessions are told.
	settleEvery = 5 * time.Millisecond
)

// everything is the watermark of who holds nothing back.
const everything = math.MaxInt64

// debt is something that a node was told and has not acted on.
type debt struct {
	base     int64 // the node has acted on all up to here
	revision int64 // and will have on all up to here
	since    time.Time
}

// debts are what one session's node has still to act on. The session's lock is held
// for all of it.
type debts struct {
	untold *debt  // noted, and not sent yet
	told   []debt // sent, oldest first
	// unsettled is the oldest revision sent of which the node does not know that all
	// have acted on it, 0 for none; newest is the newest one sent.
	unsettled, newest int64
}

// note remembers that the node is to be told of changes between two revisions.
func (l *debts) note(base, revision int64, now time.Time) {
	if l.untold == nil {
		l.untold = &debt{base: base, since: now}
	}
	l.untold.revision = revision
}

// send moves what was noted to what was told, with a snapshot of that revision.
func (l *debts) send(revision int64) {
	if l.untold != nil {
		l.told = append(l.told, debt{l.untold.base, revision, l.untold.since})
		l.untold = nil
	}
}

// spare takes the newest back: there was nothing in it to act on.
func (l *debts) spare() {
	if n := len(l.told); n > 0 {
		l.told = l.told[:n-1]
	}
}

// sent notes that a message with a revision went out.
func (l *debts) sent(revision int64) {
	l.newest = revision
	if l.unsettled == 0 {
		l.unsettled = revision
	}
}

// settle reports whether the node waits for a revision like this; it is told.
func (l *debts) settle(revision int64) bool {
	if l.unsettled == 0 || revision < l.unsettled {
		return false
	}
	l.unsettled = 0
	if l.newest > revision {
		l.unsettled = revision + 1
	}
	return true
}

// acted drops what the node has acted on.
func (l *debts) acted(revision int64) {
	for len(l.told) > 0 && l.told[0].revision <= revision {
		l.told = l.told[1:]
	}
}

// floor is the revision up to which the node has acted on everything.
func (l *debts) floor(now time.Time) int64 {
	oldest := l.untold
	if len(l.told) > 0 {
		oldest = &l.told[0]
	}
	if oldest == nil || now.Sub(oldest.since) > HoldLimit {
		return everything
	}
	return oldest.base
}

// absence is a node whose connection broke, for the watermark.
type absence struct {
	floor int64
	until time.Time
}

// settleLoop tells sessions how far all nodes have come.
func (d *Dispatcher) settleLoop(ctx context.Context) error {
	const tick = time.Second // for what time alone settles
	look := time.NewTimer(sleep.Next(tick))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.acted:
			if err := sleep.For(ctx, settleEvery); err != nil {
				return err
			}
		case <-d.config.Heard:
		case <-look.C:
			look.Reset(sleep.Next(tick))
		}
		d.settle(time.Now())
	}
}

// settle tells the sessions that wait for it.
func (d *Dispatcher) settle(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	settled := int64(-1) // worked out when it is needed
	var waiting []*session
	for _, p := range d.nodes {
		if p.session == nil {
			continue
		}
		revision := p.session.awaits()
		if revision != 0 && settled < 0 {
			settled = d.floor(now)
		}
		if revision != 0 && revision <= settled {
			waiting = append(waiting, p.session)
		}
	}
	if len(waiting) == 0 {
		return
	}
	if d.config.Elsewhere != nil {
		settled = min(settled, d.config.Elsewhere())
	}
	for _, s := range waiting {
		s.settle(settled)
	}
}

// Floor is the revision up to which the nodes that this manager answers for have
// acted on everything.
func (d *Dispatcher) Floor() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.floor(time.Now())
}

// floor is Floor for a caller that holds mu.
func (d *Dispatcher) floor(now time.Time) int64 {
	floor := d.snapshot.Revision()
	for _, p := range d.nodes {
		if p.session != nil {
			floor = min(floor, p.session.floor(now))
		}
	}
	for node, each := range d.absent {
		if now.After(each.until) {
			delete(d.absent, node)
			continue
		}
		floor = min(floor, each.floor)
	}
	return floor
}

// expectBack lets a node whose connection broke hold the watermark back for a while.
// The caller holds mu.
func (d *Dispatcher) expectBack(node string, floor int64, now time.Time) {
	d.absent[node] = absence{floor: min(floor, d.snapshot.Revision()), until: now.Add(HoldLimit)}
}

// expectAll is for a manager that has only just started: what the nodes that had
// sessions with it have acted on, it does not know. The caller holds mu.
func (d *Dispatcher) expectAll(snapshot *store.Snapshot, now time.Time) {
	for status := range store.All[api.NodeStatus](snapshot) {
		if status.State == api.NodeReady && status.Manager == d.config.Node {
			d.expectBack(status.ID, 0, now)
		}
	}
}

// nudgeSettle wakes settleLoop.
func (d *Dispatcher) nudgeSettle() {
	select {
	case d.acted <- struct{}{}:
	default:
	}
}

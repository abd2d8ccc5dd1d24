package session

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/sleep"
)

// presence is a node that this manager answers for: it has a session here, or
// had one and may come back before it counts as lost.
//
//	connected ──(connection closed)──▶ away ──(node timeout, or its host is gone)──▶ down
//	    └───────────────────(silent for the node timeout)─────────────────────────────┘
//
// A closed connection is no loss: an agent that crashed or is being upgraded is
// back within the timeout, and its containers never stopped. Its host goes on then, and
// one that is known to answer when it is asked whether it is there says so (see package
// hosts); when it does not any more, nobody has to wait for the rest of the timeout.
type presence struct {
	session *session // nil while away
	host    *host    // the newest session's, or nil when there was none here
	// heard is when the node was last known to be there, while it is away.
	heard   time.Time
	message string
}

// enter lets one more session begin, within the context; its end must call wg.Done.
func (d *Dispatcher) enter() (context.Context, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		return nil, api.Errorf(api.CodeUnavailable, "this manager is starting or shutting down")
	}
	if err := d.fit(); err != nil {
		return nil, err
	}
	d.wg.Add(1)
	return d.running, nil
}

// opening is a session from its first byte until it is open, or is none.
type opening struct {
	cancel context.CancelCauseFunc
	ended  chan struct{}
}

// begins notes that a session of a node is opening, until done is called. There is one at
// a time, the newest: what each has sent is in memory, and counts for nothing yet.
func (d *Dispatcher) begins(node string, cancel context.CancelCauseFunc) (done func()) {
	mine := &opening{cancel, make(chan struct{})}
	d.mu.Lock()
	before := d.opening[node]
	d.opening[node] = mine
	d.mu.Unlock()
	if before != nil {
		before.cancel(replaced())
		<-before.ended
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.opening[node] == mine {
			delete(d.opening, node)
		}
		close(mine.ended)
	}
}

// claim makes s its node's session. An older one is cut.
func (d *Dispatcher) claim(s *session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		return api.Errorf(api.CodeUnavailable, "this manager is shutting down")
	}
	if old := d.nodes[s.node]; old != nil && old.session != nil {
		old.session.cut(replaced())
	}
	s.pace = paceOf(d.snapshot)
	s.begin(d.snapshot)
	delete(d.absent, s.node)
	h := d.hostOf(s)
	d.nodes[s.node] = &presence{session: s, host: h}
	d.learn(s, h)
	d.lookSoon()
	return nil
}

// close notes that a session has ended. Its node is away from now on, unless it
// was removed or has a newer session.
func (d *Dispatcher) close(s *session, reason error) {
	s.log.Info("node's session ended", zap.Error(reason))
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.asking != nil {
		s.asking.Stop()
	}
	p := d.nodes[s.node]
	if p == nil || p.session != s {
		return
	}
	d.lookSoon()
	d.expectBack(s.node, s.floor(time.Now()), time.Now())
	p.session, p.heard, p.message = nil, time.Now(), "its connection closed"
	if s.leaving.Load() {
		p.message = "its orc process was stopped"
	}
	if s.conn != nil && s.conn.Silent() && s.pace.host > 0 {
		p.heard, p.message = p.heard.Add(-s.pace.host), "its host was silent for "+s.pace.host.String()
	}
	if silent := time.Since(s.lastHeard()); silent >= s.pace.timeout {
		p.heard, p.message = p.heard.Add(-silent), "it was silent for "+s.pace.timeout.String()
	}
	d.keepVigil(s, p, reason)
}

// sweepLoop looks for nodes that are silent for too long.
func (d *Dispatcher) sweepLoop(ctx context.Context) error {
	const tick = 200 * time.Millisecond
	last := time.Now()
	var alone time.Duration
	for {
		if err := sleep.For(ctx, sleep.Next(tick)); err != nil {
			return err
		}
		now := time.Now()
		passed := now.Sub(last)
		last = now
		unfit := d.fit()
		if unfit != nil {
			alone += passed
		} else if alone > 0 {
			alone = 0
			d.expect(now)
		}
		switch {
		case passed > 5*tick:
			// This process itself was stopped or starved: what nodes sent meanwhile is
			// still unread, so their silence means nothing.
			d.log.Warn("this process was stalled: nodes get their time again", zap.Duration("for", passed))
			d.forgive(passed)
		case alone > 0:
			d.isolate(alone, passed, unfit)
		default:
			d.sweep(now)
		}
	}
}

// sweep cuts silent sessions and writes off the nodes whose time is over. As nodes are
// heard their times only move on: until the first of them could be over there is nothing
// to look at.
func (d *Dispatcher) sweep(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.due) {
		return
	}
	d.due = now.Add(d.timeout)
	for node, p := range d.nodes {
		if s := p.session; s != nil {
			if end := s.lastHeard().Add(s.pace.timeout); !now.After(end) || s.committed.Load() == 0 {
				d.due = earlier(d.due, end)
				continue
			}
			s.cut(fmt.Errorf("silent for %s", s.pace.timeout))
			d.expectBack(node, s.floor(now), now)
			p.session, p.heard, p.message = nil, s.lastHeard(), "it was silent for "+s.pace.timeout.String()
		}
		if now.Sub(p.heard) > d.timeout {
			d.giveUp(node, p, now)
		}
		d.due = earlier(d.due, p.heard.Add(d.timeout))
	}
}

// giveUp has a node written off: before any later session of it is written, for that is
// claimed with mu held, and the scribe keeps the order. The caller holds mu.
func (d *Dispatcher) giveUp(node string, p *presence, now time.Time) {
	d.scribe.writeNode(node, lost(d.config.Node, p.message), d.writtenOff(node, p))
	p.heard = now // asked once; should the write fail, again after a timeout
}

// lookSoon is for who makes a node's time end sooner than sweep knows. The caller holds
// mu.
func (d *Dispatcher) lookSoon() { d.due = time.Time{} }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// writtenOff forgets a node once its loss is written, unless it came back.
func (d *Dispatcher) writtenOff(node string, p *presence) func(int64, error) {
	return func(revision int64, err error) {
		if err != nil {
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.nodes[node] == p && p.session == nil {
			delete(d.nodes, node)
			if revision > 0 {
				d.log.Warn("node is down", zap.String("node", node), zap.String("reason", p.message))
			}
		}
	}
}

// fit says why what nodes tell does not reach the database.
func (d *Dispatcher) fit() error {
	if d.config.Fit == nil {
		return nil
	}
	return d.config.Fit()
}

// isolate is a sweep without a database: nobody can be written off, so the time
// does not count. When it lasts, the nodes are sent away, for another manager may
// have what this one lacks, and theirs is running there.
func (d *Dispatcher) isolate(alone, passed time.Duration, why error) {
	d.forgive(passed)
	d.mu.Lock()
	defer d.mu.Unlock()
	if alone < d.timeout/2 {
		return
	}
	for _, p := range d.nodes {
		if p.session != nil {
			p.session.cut(why)
		}
	}
}

// expect gives the nodes that are away time to come back, as after a restart.
func (d *Dispatcher) expect(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookSoon()
	for _, p := range d.nodes {
		if p.session == nil {
			p.heard = now.Add(comeBack)
		}
	}
}

func (d *Dispatcher) forgive(stalled time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.nodes {
		if p.session != nil {
			p.session.heard.Add(int64(stalled))
		} else {
			p.heard = p.heard.Add(stalled)
		}
	}
}

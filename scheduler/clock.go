package scheduler

import (
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// The times in the database are of many clocks: the nodes', and that of every manager
// that led before. One may have been hours ahead, or be put right while a rollout
// waits. So a time that is still to come counts as the moment at which this planner
// first saw it: what was to follow some seconds later follows some seconds after
// that, neither at once nor hours later.

// reckon begins a plan at now: services whose time has come are looked at, and all
// that wait when the clock was put back, for their time may never come.
func (p *Planner) reckon(now time.Time) {
	for service, at := range p.wakes {
		if !at.After(now) || now.Before(p.planned) {
			p.dirty[service] = true
		}
	}
	for at := range p.ahead {
		if at <= now.UnixNano() {
			delete(p.ahead, at)
		}
	}
	p.planned = now
}

// seen is at or, if that is still to come, when it was first seen.
func (p *pass) seen(at time.Time) time.Time {
	if !at.After(p.now) {
		return at
	}
	first, known := p.ahead[at.UnixNano()]
	if !known || first.After(p.now) {
		first = p.now
		p.ahead[at.UnixNano()] = first
	}
	return first
}

// born is when a slot's next task is created: not before the one that it succeeds,
// nor before the rollout that it is part of, for it is told from others by that.
func (p *pass) born(s *slot) time.Time {
	at := p.now
	if s.holder != nil && at.Before(s.holder.task.Created) {
		at = s.holder.task.Created
	}
	rollout := store.Get[api.Rollout](p.snapshot, p.id)
	if rollout != nil && rollout.To == p.service.Current && at.Before(rollout.Started) {
		at = rollout.Started
	}
	return at
}

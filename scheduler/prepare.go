package scheduler

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/orc-project/orc/api"
)

// A rollout that stops first has the successors of the next slots made while their
// old tasks still run: the image pulled, the container created, nothing started.
//
//	old:        run ─────────────────────────▶ shutdown ──▶ ended
//	successor:  ready (being made) ──▶ ready ─────────────▶ run
//
// The slot is then without a task only for as long as the one takes to end and the
// other to start, and an update that cannot be made anywhere ends before it has cost
// anything. A successor holds what it reserves beside the old task, so where both do
// not fit the old one goes first and the new one is made afterwards.
//
// With start-first nothing is made ahead: no slot is without a task meanwhile, so all
// to be won is time, and a third task of a slot would have to find room.

// successor is the slot's next task, made or being made, or nil.
func (s *slot) successor() *member {
	for _, m := range slices.Backward(s.prepared) {
		if !m.ended() {
			return m
		}
	}
	return nil
}

// spoiled is a successor that ended before its time, or nil: its node cannot make it,
// or does not know how to make one ahead.
func (s *slot) spoiled() *member {
	for _, m := range slices.Backward(s.prepared) {
		if m.ended() {
			return m
		}
	}
	return nil
}

// unmakeable says that a slot's successor cannot be made.
func (s *slot) unmakeable() bool {
	m := s.spoiled()
	return m != nil && (m.state() == api.TaskRejected || m.state() == api.TaskFailed)
}

// renewSome takes outdated slots on: those that may change places now, as many as
// there is room for, and beside them the making of the next ones, as many again.
// What is made while others change places would only hold them up.
func (p *pass) renewSome(outdated []*slot, record *api.Rollout, config api.UpdateConfig, inFlight, changing int) {
	limit := cmp.Or(value(config.Parallelism, 1), len(p.slots))
	room, making := max(0, limit-inFlight), limit-changing
	var next []*slot
	for _, s := range outdated {
		switch {
		case p.due(s, config.Order):
			if room > 0 {
				p.renew(s, config.Order, record)
				room--
			}
			making--
		case s.successor() != nil:
			making--
		default:
			next = append(next, s)
		}
	}
	next = next[:min(len(next), max(0, making))]
	alone := p.prepare(next, record)
	for _, s := range alone[:min(len(alone), max(0, room-p.beingMade(outdated)))] {
		p.renew(s, config.Order, record)
	}
}

// due says that nothing is to be waited for before a slot is renewed: its old task
// is not needed meanwhile, or its successor is made, or will not be.
func (p *pass) due(s *slot, order api.UpdateOrder) bool {
	next := s.successor()
	return order == api.StartFirst || !s.holder.running() || s.spoiled() != nil || next != nil && next.state() == api.TaskReady
}

func (p *pass) beingMade(slots []*slot) (count int) {
	for _, s := range slots {
		if next := s.successor(); next != nil && next.state() != api.TaskReady {
			count++
		}
	}
	return count
}

// prepare plans the successors of slots, and returns those of which both tasks fit
// nowhere at once.
func (p *pass) prepare(slots []*slot, record *api.Rollout) (alone []*slot) {
	if len(slots) == 0 {
		return nil
	}
	p.count()
	defer func() {
		p.uncount()
		clear(p.placers)
	}()
	for _, s := range slots {
		p.goes(s.holder, 1)
	}
	for _, s := range slots {
		reason := fmt.Sprintf("revision %d to %d, made ready", s.holder.task.Revision, record.To)
		m := p.draft(s, record.To, 0, reason)
		m.task.Desired = api.DesiredReady
		n := p.beside(s, m)
		if n == nil {
			p.goes(s.holder, -1)
			alone = append(alone, s)
			continue
		}
		m.task.Node = n.ID
		p.add(PrepareTask, m)
		p.countOn(n)
		s.prepared = append(s.prepared, m)
	}
	return alone
}

// beside finds a node for a successor while the old task holds its own place.
func (p *pass) beside(s *slot, m *member) *node {
	d := p.demand(p.id, m.task.Revision)
	if s.node == "" {
		n, _ := p.findNode(m, d)
		return n
	}
	if n := p.nodes.byID[s.node]; d.judge(n) == fits {
		return n
	}
	return nil
}

// succeed gives a slot its next task: the one that was made ready, or a new one.
func (p *pass) succeed(s *slot, revision, iteration int, reason string) {
	next := s.successor()
	if next == nil || next.task.Revision != revision {
		p.create(s, revision, iteration, reason)
		return
	}
	p.change(StartTask, next, func(t *api.Task) { t.Desired = api.DesiredRun }, reason)
	s.prepared = slices.DeleteFunc(s.prepared, func(m *member) bool { return m == next })
	s.hold(next)
}

// dropStale ends successors of other revisions than the current one.
func (p *pass) dropStale() {
	for _, s := range p.slots {
		for _, m := range slices.Clone(s.prepared) {
			if m.task.Revision != p.service.Current {
				p.unprepare(s, m, fmt.Sprintf("revision %d is wanted now", p.service.Current))
			}
		}
	}
}

// dropPrepared ends successors that no rollout waits for any more.
func (p *pass) dropPrepared(record *api.Rollout) {
	for _, s := range p.slots {
		for _, m := range slices.Clone(s.prepared) {
			switch next := s.successor(); {
			case record == nil || !active(record.State):
				p.unprepare(s, m, "the update does not go on")
			case s.holder != nil && s.holder.task.Revision == p.service.Current, next != nil && m != next:
				p.unprepare(s, m, "its slot has another task")
			case m.ended() && (s.holder == nil || m != s.spoiled()):
				p.unprepare(s, m, "it could not be made ready")
			}
		}
	}
}

// unprepare ends a successor: what could not be made stays as history, and of the
// others there is nothing to tell.
func (p *pass) unprepare(s *slot, m *member, reason string) {
	if m.ended() {
		p.stop(m, cmp.Or(m.status.Message, reason))
	} else {
		p.change(DiscardTask, m, func(t *api.Task) { t.Desired = api.DesiredRemove }, reason)
	}
	s.prepared = slices.DeleteFunc(s.prepared, func(other *member) bool { return other == m })
	s.add(m)
}

package scheduler

import (
	"slices"

	"github.com/orc-project/orc/api"
)

func (p *pass) step(action Action, before, after api.Object, reason string) {
	p.steps = append(p.steps, Step{Action: action, Service: p.id, Before: before, After: after, Reason: reason})
}

// change plans a changed task and goes on with it.
func (p *pass) change(action Action, m *member, edit func(*api.Task), reason string) {
	before, after := m.task, m.own()
	edit(after)
	after.Reason = reason
	p.replace(action, m, before, after, reason)
}

// own returns a task of this pass that may be changed: the one planned already, or
// a copy.
func (m *member) own() *api.Task {
	if m.step > 0 {
		return m.task
	}
	after := *m.task
	return &after
}

// replace plans a step for a task; several for one task in one pass become one.
func (p *pass) replace(action Action, m *member, before, after *api.Task, reason string) {
	m.task = after
	if m.step == 0 {
		p.step(action, before, after, reason)
		m.step = len(p.steps)
		return
	}
	planned := &p.steps[m.step-1]
	planned.After, planned.Reason = after, reason
	if planned.Action != CreateTask && planned.Action != PrepareTask {
		planned.Action = action
	}
}

// stop tells a task to end and to stay as history.
func (p *pass) stop(m *member, reason string) {
	p.change(StopTask, m, func(t *api.Task) { t.Desired = api.DesiredShutdown }, reason)
}

// retire stops a task of a slot, which then holds it no longer.
func (p *pass) retire(s *slot, m *member, reason string) {
	p.stop(m, reason)
	if s.holder == m {
		s.holder = nil
	}
	s.older = slices.DeleteFunc(s.older, func(other *member) bool { return other == m })
	if s.holder == nil && len(s.older) > 0 {
		s.holder, s.older = s.older[len(s.older)-1], s.older[:len(s.older)-1]
	}
	s.add(m)
}

// create plans a task for a slot, placed by placePending, and makes it the holder.
func (p *pass) create(s *slot, revision, iteration int, reason string) {
	m := p.draft(s, revision, iteration, reason)
	p.add(CreateTask, m)
	if s.holder != nil && s.holder.task.Desired == api.DesiredRun {
		s.older = append(s.older, s.holder)
	}
	s.holder = m
}

// draft is a slot's new task, of which nothing is planned yet.
func (p *pass) draft(s *slot, revision, iteration int, reason string) *member {
	task := p.tasks.next()
	*task = api.Task{
		Service: p.id, Revision: revision, Slot: s.number, Node: s.node, Iteration: iteration,
		Desired: api.DesiredRun, Reason: reason,
	}
	task.ID = taskID(p.id, s.node, s.number, revision, iteration, p.snapshot.Revision())
	task.Created, task.Updated = p.born(s), p.now
	m := p.memory.next()
	m.task = task
	return m
}

// add plans a drafted task, which holds from now on what it needs of its node.
func (p *pass) add(action Action, m *member) {
	p.step(action, nil, m.task, m.task.Reason)
	m.step = len(p.steps)
	p.members = append(p.members, m)
	if m.task.Node != "" {
		p.hold(m.task)
		p.tentative = append(p.tentative, m.task.ID)
	}
}

// drop takes back a step that was planned in this pass.
func (p *pass) drop(place int) {
	if place > 0 {
		p.steps[place-1].Action = ""
		p.dropped = true
	}
}

// compact removes the steps that were dropped.
func (p *pass) compact() {
	if p.dropped {
		p.steps = slices.DeleteFunc(p.steps, func(s Step) bool { return s.Action == "" })
	}
}

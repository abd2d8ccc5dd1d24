package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// pass is one look at one service.
type pass struct {
	*Planner
	id    string // the service's
	now   time.Time
	steps []Step
	wake  time.Time

	service *api.Service
	// revision is the current one; demands of others are asked for by number.
	revision *api.Revision
	members  []*member
	slots    []*slot
	placers  map[int]*placer
	dropped  bool
	memory   slab[member]
	places   slab[slot]
	tasks    slab[api.Task]
}

// member is a task of the service with what is known of it, as it will be after
// the steps planned so far.
type member struct {
	task   *api.Task
	status *api.TaskStatus // nil before the node reported
	// step and lost are the places of the steps planned for the task and for its
	// status, counted from 1.
	step, lost int
}

func (m *member) state() api.TaskState {
	switch {
	case m.status != nil:
		return m.status.State
	case m.task.Node != "":
		return api.TaskAssigned
	}
	return api.TaskPending
}

// ended says that nothing of it runs or will.
func (m *member) ended() bool { return ended(m.task, m.status) }

// wanted says that it should run and may still.
func (m *member) wanted() bool { return m.task.Desired == api.DesiredRun && !m.ended() }

func (m *member) running() bool { return m.wanted() && m.state() == api.TaskRunning }

// slot is a place of the service that one task at a time should fill: a number,
// or a node for global services.
type slot struct {
	number int
	node   string
	// holder is the newest task that should run, or did until it ended by itself;
	// older are others that should run still (start-first).
	holder *member
	older  []*member
	// leaving are tasks that were told to stop and have not ended.
	leaving []*member
	// past are tasks that ended after they were told to, the newest first.
	past []*member
}

// key names the slot in a rollout's record.
func (s *slot) key() string {
	if s.node != "" {
		return s.node
	}
	return fmt.Sprint(s.number)
}

func (s *slot) String() string {
	if s.node != "" {
		return "node " + api.ShortID(s.node)
	}
	return fmt.Sprintf("slot %d", s.number)
}

func (p *pass) run() {
	p.service = store.Get[api.Service](p.snapshot, p.id)
	for task := range store.Find[api.Task](p.snapshot, store.ByService, p.id) {
		m := p.memory.next()
		m.task, m.status = task, store.Get[api.TaskStatus](p.snapshot, task.ID)
		p.members = append(p.members, m)
	}
	p.loseTasks()
	if p.service == nil {
		p.discardAll()
		p.compact()
		return
	}
	if p.revision = p.current(p.service); p.revision == nil {
		return // both are committed together: the next view has it
	}
	p.placers = make(map[int]*placer)
	if p.revision.Spec.Mode.Job() {
		p.runJob()
	} else {
		p.fillSlots(func(*api.Task) bool { return true })
		p.leaveNodes()
		p.scale()
		p.rollOut()
		p.refill()
	}
	p.placePending()
	p.forget()
	p.rememberWaiting()
	p.compact()
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

// fillSlots sorts the members that belong into slots.
func (p *pass) fillSlots(belongs func(*api.Task) bool) {
	type key struct {
		number int
		node   string
	}
	slices.SortStableFunc(p.members, func(a, b *member) int {
		return cmp.Or(a.task.Created.Compare(b.task.Created), cmp.Compare(a.task.Revision, b.task.Revision), cmp.Compare(a.task.ID, b.task.ID))
	})
	found := make(map[key]*slot)
	for _, m := range p.members {
		if !belongs(m.task) {
			continue
		}
		at := key{number: m.task.Slot}
		if m.task.Slot == 0 {
			at.node = m.task.Node
		}
		s := found[at]
		if s == nil {
			s = p.newSlot(at.number, at.node)
			found[at] = s
		}
		s.add(m)
	}
	slices.SortFunc(p.slots, func(a, b *slot) int { return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.node, b.node)) })
}

// add puts a member into its slot; members come oldest first.
func (s *slot) add(m *member) {
	switch {
	case m.task.Desired == api.DesiredRun:
		if s.holder != nil {
			s.older = append(s.older, s.holder)
		}
		s.holder = m
	case m.ended():
		s.past = append([]*member{m}, s.past...)
	default:
		s.leaving = append(s.leaving, m)
	}
}

func (p *pass) newSlot(number int, node string) *slot {
	s := p.places.next()
	s.number, s.node = number, node
	p.slots = append(p.slots, s)
	return s
}

// wakeAt asks for another look at a time that has not come.
func (p *pass) wakeAt(at time.Time) {
	if p.wake.IsZero() || at.Before(p.wake) {
		p.wake = at
	}
}

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
	if planned.Action != CreateTask {
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
func (p *pass) create(s *slot, revision, iteration int, reason string) *member {
	task := p.tasks.next()
	*task = api.Task{
		Service: p.id, Revision: revision, Slot: s.number, Node: s.node, Iteration: iteration,
		Desired: api.DesiredRun, Reason: reason,
	}
	task.ID = taskID(p.id, s.node, s.number, revision, iteration, p.snapshot.Revision())
	task.Created, task.Updated = p.now, p.now
	m := p.memory.next()
	m.task = task
	p.step(CreateTask, nil, task, reason)
	m.step = len(p.steps)
	p.members = append(p.members, m)
	if s.holder != nil && s.holder.task.Desired == api.DesiredRun {
		s.older = append(s.older, s.holder)
	}
	s.holder = m
	if task.Node != "" {
		p.hold(task)
		p.tentative = append(p.tentative, task.ID)
	}
	return m
}

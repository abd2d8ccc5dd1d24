package scheduler

import (
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
	// targets are the nodes that a rebalance under way moves slots to.
	targets map[int]string
	counted []*node // whose counts are of this service at the moment
	dropped bool
	memory  slab[member]
	places  slab[slot]
	tasks   slab[api.Task]
}

func (p *pass) run() {
	p.service = store.Get[api.Service](p.snapshot, p.id)
	p.gather()
	p.loseTasks()
	if p.service == nil {
		p.discardAll()
		p.compact()
		return
	}
	if p.revision = p.current(p.service); p.revision == nil {
		return // nobody removes it while it is the current one; service ls says so if it is gone
	}
	p.placers = make(map[int]*placer)
	if p.revision.Spec.Mode.Job() {
		p.runJob()
	} else {
		p.fillSlots(func(*member) bool { return true })
		p.leaveNodes()
		p.dropStale()
		p.scale()
		p.carryOver()
		p.rollOut()
		p.refill()
	}
	p.placePending()
	p.forget()
	p.rememberWaiting()
	p.compact()
}

// gather finds the service's tasks.
func (p *pass) gather() {
	for task := range store.Find[api.Task](p.snapshot, store.ByService, p.id) {
		m := p.memory.next()
		m.task, m.status = task, store.Get[api.TaskStatus](p.snapshot, task.ID)
		p.members = append(p.members, m)
	}
}

// wakeAt asks for another look at a time that has not come.
func (p *pass) wakeAt(at time.Time) {
	if p.wake.IsZero() || at.Before(p.wake) {
		p.wake = at
	}
}

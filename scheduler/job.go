package scheduler

import (
	"cmp"
	"fmt"

	"github.com/orc-project/orc/api"
)

// runJob runs a job's iterations: one per revision, or one per due time of its
// schedule. Tasks of earlier iterations are history, but for those that have still to
// end: their slots wait for that.
func (p *pass) runJob() {
	iteration := p.iteration()
	if iteration == 0 {
		p.stopUnwanted(func(t *api.Task) bool { return t.Iteration != 0 && p.ofMode(t) })
		return // its schedule has not come yet
	}
	belongs := func(t *api.Task) bool { return t.Iteration == iteration && p.ofMode(t) }
	p.stopUnwanted(belongs)
	p.fillSlots(func(m *member) bool {
		ends := m.task.Desired != api.DesiredRun && m.task.Desired != api.DesiredReady && !m.ended()
		return belongs(m.task) || ends
	})
	p.leaveNodes()
	p.refill()
	if p.revision.Spec.Mode.Global() {
		p.runOnNodes(iteration)
		return
	}
	p.runSlots(iteration)
}

// ofMode says whether a job's task is of the present mode: numbered, or a node's. A run of
// a schedule has the same number in both.
func (p *pass) ofMode(t *api.Task) bool { return (t.Slot == 0) == p.revision.Spec.Mode.Global() }

// stopUnwanted stops tasks of other iterations, and those of the time before the
// service was a job.
func (p *pass) stopUnwanted(belongs func(*api.Task) bool) {
	for _, m := range p.members {
		if (m.task.Desired == api.DesiredRun || m.task.Desired == api.DesiredReady) && !belongs(m.task) {
			p.stop(m, "a later run of the job")
		}
	}
}

// runSlots keeps as many slots busy as may be at once, until all have had a task
// that ended. What is told to end is one of them until it has.
func (p *pass) runSlots(iteration int) {
	atOnce := cmp.Or(p.revision.Spec.MaxConcurrent, p.service.Replicas)
	busy := 0
	byNumber := make(map[int]*slot)
	for _, s := range p.slots {
		byNumber[s.number] = s
		if s.holder != nil && s.holder.wanted() && s.number > p.service.Replicas {
			p.retire(s, s.holder, fmt.Sprintf("scaled down to %d", p.service.Replicas))
		}
		if s.holder != nil && s.holder.wanted() {
			busy++
		}
		busy += p.ending(s)
	}
	for number := 1; number <= p.service.Replicas && busy < atOnce; number++ {
		s := byNumber[number]
		if s == nil {
			s = p.newSlot(number, "")
		}
		if s.holder == nil && !p.waitsForEnd(s) {
			p.create(s, p.service.Current, iteration, fmt.Sprintf("run %d of the job", number))
			busy++
		}
	}
}

func (p *pass) runOnNodes(iteration int) {
	byNode := make(map[string]*slot, len(p.slots))
	for _, s := range p.slots {
		if s.number == 0 { // what is left of a time with numbers is no node's
			byNode[s.node] = s
		}
	}
	why := p.eachNode(byNode, p.service.Current, func(s *slot) {
		p.create(s, p.service.Current, iteration, "the job's run on this node")
	})
	p.standIn(byNode[""], iteration, why)
}

package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/orc-project/orc/api"
)

// runJob runs a job's iterations: one per revision, or one per due time of its
// schedule. Tasks of earlier iterations are history.
func (p *pass) runJob() {
	iteration := p.iteration()
	for _, m := range p.members {
		if m.task.Iteration != iteration && m.task.Desired == api.DesiredRun {
			p.stop(m, "a later run of the job")
		}
	}
	if iteration == 0 {
		return // its schedule has not come yet
	}
	p.fillSlots(func(t *api.Task) bool { return t.Iteration == iteration })
	p.leaveNodes()
	p.refill()
	if p.revision.Spec.Mode.Global() {
		p.runOnNodes(iteration)
		return
	}
	p.runSlots(iteration)
}

// iteration is the number of the run that should be going on, 0 for none. A
// scheduled run is numbered by the minute that it was due at; those that were
// missed meanwhile are not made up for.
func (p *pass) iteration() int {
	spec := p.revision.Spec
	if spec.Schedule == "" {
		return p.service.Current
	}
	schedule, err := cron.ParseStandard(spec.Schedule)
	if err != nil {
		return 0 // submitted specs are valid
	}
	last, busy := 0, false
	for _, m := range p.members {
		if m.task.Revision != p.service.Current {
			continue
		}
		if m.task.Iteration > last {
			last, busy = m.task.Iteration, false
		}
		busy = busy || m.task.Iteration == last && !m.ended()
	}
	from := p.revision.Created
	if last > 0 {
		from = time.Unix(int64(last)*60, 0)
	}
	due := schedule.Next(from)
	if due.After(p.now) {
		p.wakeAt(due)
		return last
	}
	if busy {
		return last // runs never overlap: the next one begins when this one has ended
	}
	for next := schedule.Next(due); !next.After(p.now); next = schedule.Next(next) {
		due = next
	}
	p.wakeAt(schedule.Next(due))
	return int(due.Unix() / 60)
}

// runSlots keeps as many slots busy as may be at once, until all have had a task
// that ended.
func (p *pass) runSlots(iteration int) {
	atOnce := cmp.Or(p.revision.Spec.MaxConcurrent, p.service.Replicas)
	busy := 0
	byNumber := make(map[int]*slot)
	for _, s := range p.slots {
		byNumber[s.number] = s
		if s.holder != nil && s.holder.wanted() {
			busy++
		}
	}
	for number := 1; number <= p.service.Replicas && busy < atOnce; number++ {
		s := byNumber[number]
		if s == nil {
			s = p.newSlot(number, "")
		}
		if s.holder == nil {
			p.create(s, p.service.Current, iteration, fmt.Sprintf("run %d of the job", number))
			busy++
		}
	}
}

func (p *pass) runOnNodes(iteration int) {
	d := p.demand(p.id, p.service.Current)
	for _, n := range p.nodes.sorted {
		taken := slices.ContainsFunc(p.slots, func(s *slot) bool { return s.node == n.ID && s.holder != nil })
		n.count = 0
		if taken || d.judge(n) != fits {
			continue
		}
		s := p.newSlot(0, n.ID)
		p.create(s, p.service.Current, iteration, "the job's run on this node")
	}
}

package scheduler

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/orc-project/orc/api"
)

// scale makes the slots that are missing and discards those that are too many.
func (p *pass) scale() {
	global := p.revision.Spec.Mode.Global()
	for _, s := range slices.Clone(p.slots) {
		if global != (s.number == 0) {
			p.discard(s, "the service's mode is another now")
		}
	}
	if global {
		p.coverNodes()
		return
	}
	var filled []*slot
	for _, s := range p.slots {
		if s.holder != nil {
			filled = append(filled, s)
		}
	}
	switch surplus := len(filled) - p.service.Replicas; {
	case surplus > 0:
		p.shrink(filled, surplus)
	case surplus < 0:
		p.grow(-surplus)
	}
	for _, s := range slices.Clone(p.slots) {
		if s.holder == nil && !s.kept {
			p.discard(s, fmt.Sprintf("scaled down to %d", p.service.Replicas))
		}
	}
}

// shrink discards the slots whose loss costs least: those that do not run, then
// those on the node with most of the service's tasks, then the highest.
func (p *pass) shrink(filled []*slot, surplus int) {
	onNode := make(map[string]int)
	for _, s := range filled {
		onNode[s.holder.task.Node]++
	}
	reason := fmt.Sprintf("scaled down to %d", p.service.Replicas)
	if surplus == len(filled) {
		for _, s := range filled {
			p.discard(s, reason)
		}
		return
	}
	for range surplus {
		victim := slices.MinFunc(filled, func(a, b *slot) int {
			return cmp.Or(
				boolean(a.holder.running(), b.holder.running()),
				cmp.Compare(onNode[b.holder.task.Node], onNode[a.holder.task.Node]),
				cmp.Compare(b.number, a.number),
			)
		})
		filled = slices.DeleteFunc(filled, func(s *slot) bool { return s == victim })
		onNode[victim.holder.task.Node]--
		p.discard(victim, reason)
	}
}

// discard ends a slot's tasks for good: nothing of them is kept.
func (p *pass) discard(s *slot, reason string) {
	for _, m := range slices.Concat([]*member{s.holder}, s.older, s.prepared, s.leaving, s.past) {
		if m != nil && m.task.Desired != api.DesiredRemove {
			p.change(DiscardTask, m, func(t *api.Task) { t.Desired = api.DesiredRemove }, reason)
		}
	}
	p.slots = slices.DeleteFunc(p.slots, func(other *slot) bool { return other == s })
}

// grow fills the lowest numbers that are free: a slot whose task is leaving in a
// rollout is not, though it has no holder at the moment.
func (p *pass) grow(missing int) {
	byNumber := make(map[int]*slot, len(p.slots))
	for _, s := range p.slots {
		byNumber[s.number] = s
	}
	for number := 1; missing > 0; number++ {
		s := byNumber[number]
		if s == nil {
			s = p.newSlot(number, "")
		}
		if s.holder != nil {
			continue
		}
		missing--
		s.kept = true
		if p.waitsForEnd(s) {
			continue // its time comes when the old one has ended
		}
		p.succeed(s, p.successorRevision(s), 0, p.whyNew(s))
	}
}

// waitsForEnd says that a slot must not run two tasks: one is still to end on a
// node that is there.
func (p *pass) waitsForEnd(s *slot) bool { return p.ending(s) > 0 }

// ending counts a slot's tasks that are to end and have not, on nodes that are there.
func (p *pass) ending(s *slot) (count int) {
	for _, m := range s.leaving {
		if n := p.nodes.byID[m.task.Node]; n != nil && n.ready() && n.Availability != api.AvailabilityDrain {
			count++
		}
	}
	return count
}

// whyNew says what a new task is for.
func (p *pass) whyNew(s *slot) string {
	newest := s.newestPast()
	if newest == nil {
		return "new"
	}
	return "replaces " + api.ShortID(newest.task.ID) + ": " + newest.task.Reason
}

func (s *slot) newestPast() *member {
	if len(s.leaving) > 0 {
		return s.leaving[len(s.leaving)-1]
	}
	if len(s.past) > 0 {
		return s.past[0]
	}
	return nil
}

// boolean orders false before true.
func boolean(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

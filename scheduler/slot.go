package scheduler

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/orc-project/orc/api"
)

// slot is a place of the service that one task at a time should fill: a number,
// or a node for global services.
type slot struct {
	number int
	node   string
	// holder is the newest task that should run, or did until it ended by itself;
	// older are others that should run still (start-first).
	holder *member
	older  []*member
	// prepared are tasks that were made, or are, to take the holder's place when it
	// has ended: see prepare.go. There is more than one only after a mishap.
	prepared []*member
	// kept says that the slot is to be filled, though not now.
	kept bool
	// leaving are tasks that were told to stop and have not ended.
	leaving []*member
	// past are tasks that ended after they were told to, the one told last first.
	past []*member
}

// key names the slot in a rollout's record.
func (s *slot) key() string {
	if s.node != "" {
		return s.node
	}
	return fmt.Sprint(s.number)
}

// name is the slot's for people.
func (p *pass) name(s *slot) string {
	if n := p.nodes.byID[s.node]; n != nil {
		return "node " + n.Name
	}
	if s.node != "" {
		return "node " + api.ShortID(s.node)
	}
	return fmt.Sprintf("slot %d", s.number)
}

// fillSlots sorts the members that belong into slots.
func (p *pass) fillSlots(belongs func(*member) bool) {
	type key struct {
		number int
		node   string
	}
	// Managers' clocks differ: of a slot's tasks those of the current revision are
	// the newer ones whatever their times say.
	slices.SortStableFunc(p.members, func(a, b *member) int {
		return cmp.Or(boolean(p.isCurrent(a), p.isCurrent(b)), a.task.Created.Compare(b.task.Created), cmp.Compare(a.task.Revision, b.task.Revision),
			cmp.Compare(a.task.Slot, b.task.Slot), cmp.Compare(a.task.ID, b.task.ID))
	})
	found := make(map[key]*slot)
	for _, m := range p.members {
		if !belongs(m) {
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
	for _, s := range p.slots {
		slices.SortStableFunc(s.leaving, func(a, b *member) int { return cmp.Compare(a.task.Version, b.task.Version) })
		slices.SortStableFunc(s.past, func(a, b *member) int { return cmp.Compare(b.task.Version, a.task.Version) })
	}
	slices.SortFunc(p.slots, func(a, b *slot) int { return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.node, b.node)) })
}

// add puts a member into its slot; members come oldest first.
func (s *slot) add(m *member) {
	switch {
	case m.task.Desired == api.DesiredRun:
		s.hold(m)
	case m.task.Desired == api.DesiredReady:
		s.prepared = append(s.prepared, m)
	case m.ended():
		s.past = append([]*member{m}, s.past...)
	default:
		s.leaving = append(s.leaving, m)
	}
}

// hold makes a member the holder, beside those that there are.
func (s *slot) hold(m *member) {
	if s.holder != nil {
		s.older = append(s.older, s.holder)
	}
	s.holder = m
}

func (p *pass) isCurrent(m *member) bool {
	return m.task.Desired == api.DesiredRun && m.task.Revision == p.service.Current
}

func (p *pass) newSlot(number int, node string) *slot {
	s := p.places.next()
	s.number, s.node = number, node
	p.slots = append(p.slots, s)
	return s
}

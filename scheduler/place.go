package scheduler

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
)

// A node on which a service's containers failed so often within so long is taken
// only when no other fits. One that rejected a task is avoided at once.
const (
	avoidAfter  = 5
	avoidWithin = 5 * time.Minute
)

// explainAgain is how long an explanation stays as it is when only the nodes
// changed: a busy cluster would write it for ever.
const explainAgain = 10 * time.Second

// placePending finds nodes for the tasks that have none, or says why there is
// none: the lowest slots first, so that a slot that is renewed gets its place back
// before one that never had any. Global services have done it themselves: see
// coverNodes.
func (p *pass) placePending() {
	var pending []*member
	for _, m := range p.members {
		if m.task.Node == "" && m.task.Slot > 0 && m.wanted() {
			pending = append(pending, m)
		}
	}
	if len(pending) == 0 {
		return
	}
	slices.SortStableFunc(pending, func(a, b *member) int { return cmp.Compare(a.task.Slot, b.task.Slot) })
	wait := p.waitsFor()
	p.count()
	for _, m := range pending {
		if wait != "" {
			p.explain(m, wait)
			continue
		}
		p.place(m)
	}
	p.uncount()
}

func (p *pass) place(m *member) {
	d := p.demand(p.id, m.task.Revision)
	if d == nil {
		return
	}
	n, why := p.findNode(m, d)
	if n == nil {
		p.explain(m, why)
		return
	}
	before, after := m.task, m.own()
	after.Node, after.Reason = n.ID, placedReason(before.Reason)
	p.replace(PlaceTask, m, before, after, after.Reason)
	p.hold(after)
	p.tentative = append(p.tentative, after.ID)
	p.countOn(n)
}

// findNode finds a node for a task, or why there is none. The caller counts it.
func (p *pass) findNode(m *member, d *demand) (*node, string) {
	n, why := p.home(m, d)
	if n == nil && why == "" {
		n = p.target(m, d)
	}
	if n != nil || why != "" {
		return n, why
	}
	placer := p.placers[m.task.Revision]
	if placer == nil {
		placer = newPlacer(&p.nodes, d, p.lend())
		p.placers[m.task.Revision] = placer
	}
	return placer.next()
}

// countOn counts one more task on a node.
func (p *pass) countOn(n *node) {
	if n.count++; n.count == 1 {
		p.counted = append(p.counted, n)
	}
}

// goes counts a task as one that its successor replaces, or, by -1, as one that it
// does not.
func (p *pass) goes(m *member, by int) {
	if n := p.nodes.byID[m.task.Node]; n != nil && m.wanted() {
		n.count, n.going = n.count-by, n.going+by
	}
}

// explain keeps a task pending, with the reason that people see.
func (p *pass) explain(m *member, why string) {
	p.pending[p.id] = true
	if m.task.Reason == why {
		return
	}
	if again := p.seen(m.task.Updated).Add(explainAgain); m.step == 0 && p.now.Before(again) && sameKinds(m.task.Reason, why) {
		p.wakeAt(again)
		return
	}
	p.change(ExplainTask, m, func(*api.Task) {}, why)
}

// sameKinds says whether two explanations differ only in how many nodes, or which,
// lack what.
func sameKinds(a, b string) bool {
	return strings.HasPrefix(a, noNodeFits) && strings.HasPrefix(b, noNodeFits) && kindsOf(a) == kindsOf(b)
}

// kindsOf is the set of verdicts that an explanation speaks of.
func kindsOf(why string) (kinds uint) {
	for v, phrase := range phrases {
		if phrase[0] != "" && (strings.Contains(why, phrase[0]) || strings.Contains(why, phrase[1])) {
			kinds |= 1 << v
		}
	}
	return kinds
}

// placedReason is a task's reason once it has a node: what it waited for is over.
func placedReason(reason string) string {
	for _, waiting := range []string{noNodeFits, "waits for", "its volume"} {
		if strings.HasPrefix(reason, waiting) {
			return "waited for a node"
		}
	}
	return reason
}

// count counts the service's tasks and failures on each node, for the placers.
func (p *pass) count() {
	from := p.now.Add(-avoidWithin)
	for _, m := range p.members {
		n := p.nodes.byID[m.task.Node]
		if n == nil {
			continue
		}
		before := n.count + n.failures
		if m.wanted() || m.prepared() {
			n.count++
		}
		if m.status != nil {
			if m.status.State == api.TaskRejected && p.seen(m.status.Since).After(from) {
				n.failures += avoidAfter
			}
			for _, attempt := range m.status.Attempts {
				if attempt.ExitCode != 0 && p.seen(attempt.Finished).After(from) {
					n.failures++
				}
			}
		}
		if before == 0 && n.count+n.failures > 0 {
			p.counted = append(p.counted, n)
		}
	}
	for _, s := range p.slots {
		for _, old := range s.older {
			p.goes(old, 1)
		}
		if s.holder != nil && s.successor() != nil {
			p.goes(s.holder, 1)
		}
	}
}

// uncount leaves the node table to the next service.
func (p *pass) uncount() {
	for _, n := range p.counted {
		n.count, n.going, n.failures = 0, 0, 0
	}
	p.counted = nil
	for _, placer := range p.placers {
		if cap(placer.heap) > cap(p.scratch) {
			p.scratch = placer.heap[:0]
		}
	}
}

// lend gives a placer memory that an earlier one gave back.
func (p *Planner) lend() nodeHeap {
	lent := p.scratch
	p.scratch = nil
	return lent[:0]
}

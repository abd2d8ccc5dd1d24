package scheduler

import (
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// loseTasks writes the last word on tasks whose node was removed: it will not
// report any more.
func (p *pass) loseTasks() {
	for _, m := range p.members {
		if m.task.Node == "" || m.ended() || store.Get[api.Node](p.snapshot, m.task.Node) != nil {
			continue
		}
		lost := &api.TaskStatus{Node: m.task.Node}
		var before api.Object
		if m.status != nil {
			copied := *m.status
			lost, before = &copied, m.status
		}
		lost.ID, lost.State, lost.Since, lost.Message = m.task.ID, api.TaskLost, p.now, "its node was removed from the cluster"
		p.step(LoseTask, before, lost, lost.Message)
		m.lost = len(p.steps)
		m.status = lost
	}
}

// leaveNodes ends tasks where they may not be any longer. Their slots are filled
// again by refill.
func (p *pass) leaveNodes() {
	for _, s := range p.slots {
		for _, m := range append([]*member{s.holder}, s.older...) {
			if m == nil || !m.wanted() || m.task.Node == "" {
				continue
			}
			if why := p.mustLeave(m); why != "" {
				p.retire(s, m, why)
			} else {
				p.explainAway(m)
			}
		}
		for _, m := range slices.Clone(s.prepared) {
			if why := p.mustLeave(m); why != "" {
				p.unprepare(s, m, why)
			}
		}
	}
}

// mustLeave says why a task may not stay where it is, or "".
func (p *pass) mustLeave(m *member) string {
	n := p.nodes.byID[m.task.Node]
	d := p.demand(p.id, m.task.Revision)
	if n == nil || d == nil {
		return "its node is gone"
	}
	if verdict := d.mayHost(n); verdict != fits {
		return "node " + n.Name + " " + phrases[verdict][0]
	}
	if n.ready() || p.staysWith(d, m) {
		return ""
	}
	if n.status != nil && n.status.State == api.NodeDown {
		return "node " + n.Name + " is down"
	}
	return ""
}

// staysWith says that a task belongs to its node and waits for it: a global
// service's, and one whose data is there.
func (p *pass) staysWith(d *demand, m *member) bool {
	return m.task.Slot == 0 || len(d.volumes) > 0
}

// explainAway says of a task that waits for its node that it does.
func (p *pass) explainAway(m *member) {
	n, d := p.nodes.byID[m.task.Node], p.demand(p.id, m.task.Revision)
	switch {
	case !n.ready() && len(d.volumes) > 0 && m.task.Slot > 0:
		why := "node " + n.Name + " is down, and its volume " + d.volumes[0] + " is there"
		if m.task.Reason != why {
			p.change(ExplainTask, m, func(*api.Task) {}, why)
		}
	case n.ready() && strings.HasPrefix(m.task.Reason, "node "+n.Name+" is down"):
		p.change(ExplainTask, m, func(*api.Task) {}, "its node came back")
	}
}

// discardAll ends every task of a service that was removed, and forgets them and
// the service's specs as they end.
func (p *pass) discardAll() {
	wait := p.removedFirst()
	left := 0
	for _, m := range p.members {
		switch {
		case m.ended():
			p.forgetMember(m, "its service was removed")
			continue
		case wait != "" && m.task.Desired == api.DesiredRun:
			if m.task.Reason != wait {
				p.change(ExplainTask, m, func(*api.Task) {}, wait)
			}
		case m.task.Desired != api.DesiredRemove:
			p.change(DiscardTask, m, func(t *api.Task) { t.Desired = api.DesiredRemove }, "its service was removed")
			if m.ended() {
				p.forgetMember(m, "its service was removed")
				continue
			}
		}
		left++
	}
	if left > 0 {
		return
	}
	delete(p.removed, p.id)
	for revision := range store.Find[api.Revision](p.snapshot, store.ByService, p.id) {
		p.step(ForgetSpec, revision, nil, "its service was removed")
	}
	if rollout := store.Get[api.Rollout](p.snapshot, p.id); rollout != nil {
		p.step(ForgetSpec, rollout, nil, "its service was removed")
	}
}

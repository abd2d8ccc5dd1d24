package scheduler

import (
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
	if n.status == nil || n.status.State != api.NodeDown || m.task.Slot == 0 {
		return "" // a global service's task waits for its node
	}
	if len(d.volumes) > 0 {
		return "" // so does one whose data is there
	}
	return "node " + n.Name + " is down"
}

// discardAll ends every task of a service that was removed, and forgets them and
// the service's specs as they end.
func (p *pass) discardAll() {
	left := 0
	for _, m := range p.members {
		switch {
		case m.ended():
			p.forgetMember(m, "its service was removed")
			continue
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
	for revision := range store.Find[api.Revision](p.snapshot, store.ByService, p.id) {
		p.step(ForgetSpec, revision, nil, "its service was removed")
	}
	if rollout := store.Get[api.Rollout](p.snapshot, p.id); rollout != nil {
		p.step(ForgetSpec, rollout, nil, "its service was removed")
	}
}

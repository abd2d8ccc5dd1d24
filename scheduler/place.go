package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
)

// A node on which a service's containers failed so often within so long is taken
// only when no other fits.
const (
	avoidAfter  = 5
	avoidWithin = 5 * time.Minute
)

// placePending finds nodes for the tasks that have none, or says why there is
// none.
func (p *pass) placePending() {
	wait := ""
	for _, m := range p.members {
		if m.task.Node != "" || m.task.Desired != api.DesiredRun {
			continue
		}
		if wait == "" {
			if wait = p.waitsFor(); wait == "" {
				wait = "-"
			}
		}
		if wait != "-" {
			p.explain(m, wait)
			continue
		}
		p.place(m)
	}
	for _, placer := range p.placers {
		placer.done()
	}
}

func (p *pass) place(m *member) {
	d := p.demand(p.id, m.task.Revision)
	if d == nil {
		return
	}
	placer := p.placers[m.task.Revision]
	if placer == nil {
		placer = newPlacer(p.Planner, d, p.members, p.failures())
		p.placers[m.task.Revision] = placer
	}
	n, why := p.home(m, d)
	switch {
	case n != nil:
		n.count++
	case why == "":
		if n, why = placer.next(); n != nil {
			placer.take(n)
		}
	}
	if n == nil {
		p.explain(m, why)
		return
	}
	before, after := m.task, m.own()
	after.Node, after.Reason = n.ID, placedReason(before.Reason)
	p.replace(PlaceTask, m, before, after, after.Reason)
	p.hold(after)
	p.tentative = append(p.tentative, after.ID)
}

// explain keeps a task pending, with the reason that people see.
func (p *pass) explain(m *member, why string) {
	p.pending[p.id] = true
	if m.task.Reason != why {
		p.change(ExplainTask, m, func(*api.Task) {}, why)
	}
}

// placedReason is a task's reason once it has a node: what it waited for is over.
func placedReason(reason string) string {
	for _, waiting := range []string{"no node fits", "waits for", "its volume"} {
		if strings.HasPrefix(reason, waiting) {
			return "waited for a node"
		}
	}
	return reason
}

// home returns the node that a task's volume data ties it to, or why it must wait
// for that node. Both are empty for a task that may go anywhere.
func (p *pass) home(m *member, d *demand) (*node, string) {
	if len(d.volumes) == 0 || m.task.Slot == 0 {
		return nil, ""
	}
	at := p.lastNode(m)
	if at == nil && p.service.Replicas == 1 {
		at = p.nodeWith(d.volumes)
	}
	if at == nil {
		return nil, ""
	}
	if verdict := d.judge(at); verdict != fits {
		return nil, fmt.Sprintf("its volume %s is on node %s, which %s", d.volumes[0], at.Name, phrases[verdict][0])
	}
	return at, ""
}

// lastNode is where the slot's newest task was that had a node which is still in
// the cluster.
func (p *pass) lastNode(m *member) *node {
	for _, other := range slices.Backward(p.members) {
		if other != m && other.task.Slot == m.task.Slot && other.task.Node != "" {
			if n := p.nodes.byID[other.task.Node]; n != nil {
				return n
			}
		}
	}
	return nil
}

// nodeWith is the first node that has all of the volumes.
func (p *pass) nodeWith(volumes []string) *node {
	for _, n := range p.nodes.sorted {
		has := n.info().Volumes
		if !slices.ContainsFunc(volumes, func(v string) bool { return !slices.Contains(has, v) }) {
			return n
		}
	}
	return nil
}

// failures counts by node how often the service's containers failed lately.
func (p *pass) failures() map[string]int {
	counts := make(map[string]int)
	from := p.now.Add(-avoidWithin)
	for _, m := range p.members {
		if m.status == nil {
			continue
		}
		if m.status.State == api.TaskRejected && m.status.Since.After(from) {
			counts[m.task.Node]++
		}
		for _, attempt := range m.status.Attempts {
			if attempt.ExitCode != 0 && attempt.Finished.After(from) {
				counts[m.task.Node]++
			}
		}
	}
	return counts
}

package scheduler

import (
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// claim is what a task holds of a node, until it has ended.
type claim struct {
	node   string
	demand *demand
}

// reclaim brings a task's claim to what the snapshot says.
func (p *Planner) reclaim(id string) {
	task := store.Get[api.Task](p.snapshot, id)
	if task == nil || task.Node == "" || ended(task, store.Get[api.TaskStatus](p.snapshot, id)) {
		p.release(id)
		return
	}
	p.hold(task)
}

// hold gives a task what it needs of its node, once.
func (p *Planner) hold(task *api.Task) {
	want := claim{node: task.Node, demand: p.demand(task.Service, task.Revision)}
	if held, found := p.claims[task.ID]; found {
		if held == want {
			return
		}
		p.release(task.ID)
	}
	row := p.nodes.byID[want.node]
	if row == nil || want.demand == nil {
		return
	}
	p.claims[task.ID] = want
	p.nodes.add(row, want.demand, 1)
}

func (p *Planner) release(id string) {
	held, found := p.claims[id]
	if !found {
		return
	}
	delete(p.claims, id)
	p.freed = true
	if row := p.nodes.byID[held.node]; row != nil {
		p.nodes.add(row, held.demand, -1)
	}
}

// add adds what tasks of a demand hold to a node, or takes it away.
func (t *nodeTable) add(n *node, d *demand, times int64) {
	t.move(n, int(times))
	n.cpu += times * d.reserved.NanoCPUs
	n.memory += times * d.reserved.Memory
	n.pids += times * d.reserved.Pids
	for name, amount := range d.reserved.Generic {
		if n.generic == nil {
			n.generic = make(map[string]int64)
		}
		n.generic[name] += times * amount
	}
	for _, each := range d.ports {
		if n.ports == nil {
			n.ports = make(map[port]int)
		}
		n.ports[each] += int(times)
		n.ports[each.anywhere()] += int(times)
	}
	for _, name := range d.volumes {
		if n.volumes == nil {
			n.volumes = make(map[string]int)
		}
		n.volumes[name] += int(times)
	}
}

// ended says that nothing of a task runs or will run: its node said so, or it
// never had one and is not wanted.
func ended(task *api.Task, status *api.TaskStatus) bool {
	if status != nil && status.State.Terminal() {
		return true
	}
	return task.Node == "" && task.Desired != api.DesiredRun
}

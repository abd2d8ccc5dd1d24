package scheduler

import (
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// node is a row of the node table: a node, and what of it is held.
type node struct {
	*api.Node
	status *api.NodeStatus

	cpu, memory int64 // held, in nanocores and bytes
	generic     map[string]int64
	ports       map[port]int
	tasks       int

	// count and failures are of the service that is being placed: see placer.
	count    int
	failures int
}

// port is a host-mode port.
type port struct {
	protocol  string
	published uint16
}

// ready says whether the node's session is up.
func (n *node) ready() bool { return n.status != nil && n.status.State == api.NodeReady }

var nothing api.NodeInfo

func (n *node) info() *api.NodeInfo {
	if n.status == nil {
		return &nothing
	}
	return &n.status.Info
}

// nodeTable has the nodes by ID and in the order of their IDs.
type nodeTable struct {
	byID   map[string]*node
	sorted []*node
}

func newNodeTable() nodeTable { return nodeTable{byID: make(map[string]*node)} }

// set adds a node or renews what is known of it. What is held stays.
func (t *nodeTable) set(spec *api.Node, status *api.NodeStatus) {
	row := t.byID[spec.ID]
	if row == nil {
		row = &node{Node: spec}
		t.byID[spec.ID] = row
		at, _ := t.search(spec.ID)
		t.sorted = slices.Insert(t.sorted, at, row)
	}
	row.Node, row.status = spec, status
}

func (t *nodeTable) remove(id string) {
	if _, found := t.byID[id]; !found {
		return
	}
	delete(t.byID, id)
	at, _ := t.search(id)
	t.sorted = slices.Delete(t.sorted, at, at+1)
}

func (t *nodeTable) search(id string) (int, bool) {
	return slices.BinarySearchFunc(t.sorted, id, func(n *node, id string) int {
		return strings.Compare(n.ID, id)
	})
}

// claim is what a task holds of a node.
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
	row.add(want.demand, 1)
}

func (p *Planner) release(id string) {
	held, found := p.claims[id]
	if !found {
		return
	}
	delete(p.claims, id)
	p.freed = true
	if row := p.nodes.byID[held.node]; row != nil {
		row.add(held.demand, -1)
	}
}

func (n *node) add(d *demand, times int64) {
	n.tasks += int(times)
	n.cpu += times * d.reserved.NanoCPUs
	n.memory += times * d.reserved.Memory
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

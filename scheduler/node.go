package scheduler

import (
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
)

// node is a row of the node table: a node, and what of it is held.
type node struct {
	*api.Node
	status *api.NodeStatus

	cpu, memory, pids int64 // held, in nanocores, bytes and processes
	generic           map[string]int64
	ports             map[port]int
	volumes           map[string]int
	tasks             int
	rank              int // place in the order of IDs

	// count, going and failures are of the service that is being placed, and zero
	// in between: see pass.count. Tasks that only wait for their successors are going:
	// they are there, but the spread is to be even without them.
	count    int
	going    int
	failures int
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
	loads  loads
}

func newNodeTable() nodeTable {
	return nodeTable{byID: make(map[string]*node), loads: loads{stale: true}}
}

// set adds a node or renews what is known of it. What is held stays.
func (t *nodeTable) set(spec *api.Node, status *api.NodeStatus) {
	row := t.byID[spec.ID]
	if row == nil {
		row = &node{Node: spec}
		t.byID[spec.ID] = row
		at, _ := t.search(spec.ID)
		t.sorted = slices.Insert(t.sorted, at, row)
		t.loads.stale = true
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
	t.loads.stale = true
}

func (t *nodeTable) search(id string) (int, bool) {
	return slices.BinarySearchFunc(t.sorted, id, func(n *node, id string) int {
		return strings.Compare(n.ID, id)
	})
}

package scheduler

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
)

// placer finds nodes for tasks of one demand in one pass. Nodes are kept in heaps,
// best first, one for each combination of the spread preferences' values: finding
// the next one costs the logarithm of the nodes.
type placer struct {
	planner *Planner
	demand  *demand
	root    *branch
	// why is the explanation once no node fits, which then holds for the pass.
	why string
}

// branch is a value of a spread preference, or all nodes. A leaf has nodes.
type branch struct {
	value    string
	count    int // tasks of the service below it
	children []*branch
	nodes    nodeHeap
}

// newPlacer counts the service's tasks on each node; failures are those of the
// last minutes, by node.
func newPlacer(p *Planner, d *demand, tasks []*member, failures map[string]int) *placer {
	for _, n := range p.nodes.sorted {
		n.count, n.failures = 0, 0
	}
	for id, count := range failures {
		if n := p.nodes.byID[id]; n != nil {
			n.failures = count
		}
	}
	for _, m := range tasks {
		if n := p.nodes.byID[m.task.Node]; n != nil && m.task.Desired == api.DesiredRun && !m.ended() {
			n.count++
		}
	}
	root := &branch{}
	if len(d.preferences) == 0 {
		root.nodes, p.scratch = p.scratch[:0], nil // given back by done
	}
	for _, n := range p.nodes.sorted {
		if d.judge(n) == fits {
			root.add(n, d.preferences)
		}
	}
	root.order()
	return &placer{planner: p, demand: d, root: root}
}

// done gives back what the placer borrowed.
func (p *placer) done() {
	if len(p.root.children) == 0 {
		p.planner.scratch = p.root.nodes
	}
}

// next returns the best node that fits and counts one more task on it, or nil and
// the reason.
func (p *placer) next() (*node, string) {
	for p.why == "" {
		n := p.root.best()
		if n == nil {
			p.why = p.demand.explain(p.planner.nodes.sorted)
			break
		}
		if p.demand.room(n) == fits {
			return n, ""
		}
		p.root.drop() // room only shrinks within a pass
	}
	return nil, p.why
}

// take tells that the node that next returned got the task.
func (p *placer) take(n *node) {
	n.count++
	p.root.take()
}

func (b *branch) add(n *node, preferences []string) {
	b.count += n.count
	if len(preferences) == 0 {
		b.nodes = append(b.nodes, n)
		return
	}
	value := api.NodeAttribute(preferences[0], n.Node, n.info())
	at := slices.IndexFunc(b.children, func(c *branch) bool { return c.value == value })
	if at < 0 {
		at = len(b.children)
		b.children = append(b.children, &branch{value: value})
	}
	b.children[at].add(n, preferences[1:])
}

func (b *branch) order() {
	heap.Init(&b.nodes)
	for _, child := range b.children {
		child.order()
	}
	b.sort()
}

// sort puts the child with the fewest tasks first.
func (b *branch) sort() {
	slices.SortFunc(b.children, func(x, y *branch) int {
		return cmp.Or(cmp.Compare(x.count, y.count), strings.Compare(x.value, y.value))
	})
}

// best returns the first node of the first child, all the way down.
func (b *branch) best() *node {
	for len(b.children) > 0 {
		b = b.children[0]
	}
	if len(b.nodes) == 0 {
		return nil
	}
	return b.nodes[0]
}

// take counts a task of the best node, which may be the best no longer.
func (b *branch) take() {
	b.count++
	if len(b.children) == 0 {
		heap.Fix(&b.nodes, 0)
		return
	}
	b.children[0].take()
	b.sort()
}

// drop removes the best node, and branches that it leaves empty.
func (b *branch) drop() {
	if len(b.children) == 0 {
		heap.Pop(&b.nodes)
		return
	}
	first := b.children[0]
	first.drop()
	if len(first.children) == 0 && len(first.nodes) == 0 {
		b.children = slices.Delete(b.children, 0, 1)
	}
}

// nodeHeap has the best node first: one that the service does not keep failing
// on, with the fewest of its tasks, with the fewest tasks at all, by ID.
type nodeHeap []*node

func (h nodeHeap) Len() int { return len(h) }

func (h nodeHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	if avoidA, avoidB := a.failures >= avoidAfter, b.failures >= avoidAfter; avoidA != avoidB {
		return avoidB
	}
	if a.count != b.count {
		return a.count < b.count
	}
	if a.tasks != b.tasks {
		return a.tasks < b.tasks
	}
	return a.ID < b.ID
}

func (h nodeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *nodeHeap) Push(x any) { *h = append(*h, x.(*node)) }

// Pop implements heap.Interface.
func (h *nodeHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

package scheduler

import "container/heap"

// placer finds nodes for tasks of one demand in one pass.
//
// The best node is one that the service does not keep failing on, with the fewest
// of its tasks, with the fewest tasks at all, by ID. Most services have far fewer
// tasks than there are nodes, so the placer first walks the node table in the order
// of load and takes nodes that have none of the service; it looks at no node that
// it does not need. Only when these are used up it puts all nodes into a heap, and
// finding the next one costs their logarithm. Spread preferences come before all
// this: see branch.
type placer struct {
	nodes  *nodeTable
	demand *demand
	cursor cursor
	walked bool
	heap   nodeHeap
	root   *branch // with preferences only
	// why is the explanation once no node fits, which then holds for the pass.
	why string
}

func newPlacer(nodes *nodeTable, d *demand, memory nodeHeap) *placer {
	nodes.rank()
	p := &placer{nodes: nodes, demand: d, heap: memory}
	if len(d.preferences) > 0 {
		p.root = newBranch(nodes, d)
	}
	return p
}

// next returns the best node that fits, or nil and the reason. The caller gives it
// the task.
func (p *placer) next() (*node, string) {
	if p.why != "" {
		return nil, p.why
	}
	n := p.search()
	if n == nil {
		p.why = p.demand.explain(p.nodes.sorted)
	}
	return n, p.why
}

func (p *placer) search() *node {
	if p.root != nil {
		return p.root.take(p.demand)
	}
	for !p.walked {
		n := p.nodes.after(&p.cursor)
		switch {
		case n == nil:
			p.walked = true
			p.gather()
		case n.count == 0 && n.failures < avoidAfter && p.demand.judge(n) == fits:
			return n
		}
	}
	return p.heap.best(p.demand)
}

// gather puts the nodes that fit into the heap.
func (p *placer) gather() {
	for _, n := range p.nodes.sorted {
		if p.demand.judge(n) == fits {
			p.heap = append(p.heap, place(n))
		}
	}
	heap.Init(&p.heap)
}

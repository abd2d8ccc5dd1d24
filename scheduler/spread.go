package scheduler

import (
	"container/heap"

	"github.com/orc-project/orc/api"
)

// branch is a value of a spread preference, or all nodes: a tree with a level for
// each preference. A leaf has the nodes.
//
// Tasks are spread evenly over the values of the first preference, within each
// over those of the second, and so on, as Docker Swarm does: a zone of one node
// gets as many tasks as a zone of ten.
type branch struct {
	value    string
	count    int // tasks of the service below it
	children branchHeap
	byValue  map[string]*branch
	nodes    nodeHeap
}

func newBranch(nodes *nodeTable, d *demand) *branch {
	root := &branch{}
	for _, n := range nodes.sorted {
		root.add(n, d.preferences, d.judge(n) == fits)
	}
	root.order()
	return root
}

// add counts a node's tasks, and offers the node if it is open to one more.
func (b *branch) add(n *node, preferences []string, open bool) {
	b.count += n.count
	if len(preferences) == 0 {
		if open {
			b.nodes = append(b.nodes, place(n))
		}
		return
	}
	value := api.NodeAttribute(preferences[0], n.Node, n.info())
	child := b.byValue[value]
	if child == nil {
		if b.byValue == nil {
			b.byValue = make(map[string]*branch)
		}
		child = &branch{value: value}
		b.byValue[value] = child
		b.children = append(b.children, child)
	}
	child.add(n, preferences[1:], open)
}

func (b *branch) order() {
	for _, child := range b.children {
		child.order()
	}
	heap.Init(&b.children)
	heap.Init(&b.nodes)
}

// take returns the best node of the branch with the fewest tasks, and counts one
// more; nil when no node below it has room.
func (b *branch) take(d *demand) *node {
	if b.byValue == nil {
		n := b.nodes.best(d)
		if n != nil {
			b.count++
		}
		return n
	}
	for len(b.children) > 0 {
		if n := b.children[0].take(d); n != nil {
			b.count++
			heap.Fix(&b.children, 0)
			return n
		}
		heap.Pop(&b.children) // within a pass nodes only fill up
	}
	return nil
}

// branchHeap has the branch with the fewest tasks first.
type branchHeap []*branch

// Len implements heap.Interface.
func (h branchHeap) Len() int { return len(h) }

// Less implements heap.Interface.
func (h branchHeap) Less(i, j int) bool {
	if h[i].count != h[j].count {
		return h[i].count < h[j].count
	}
	return h[i].value < h[j].value
}

// Swap implements heap.Interface.
func (h branchHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *branchHeap) Push(x any) { *h = append(*h, x.(*branch)) }

// Pop implements heap.Interface.
func (h *branchHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

package scheduler

import "container/heap"

// nodeHeap has the best node first.
type nodeHeap []candidate

// candidate is a node and what it was ranked by.
type candidate struct {
	node         *node
	avoid        bool
	count, tasks int
}

func place(n *node) candidate {
	return candidate{node: n, avoid: n.failures >= avoidAfter, count: n.count, tasks: n.tasks}
}

// best returns the best node that has room, or nil. Within a pass nodes only fill
// up: one without room leaves the heap, one that got tasks since sinks.
func (h *nodeHeap) best(d *demand) *node {
	for len(*h) > 0 {
		first := &(*h)[0]
		switch now := place(first.node); {
		case d.room(first.node) != fits:
			heap.Pop(h)
		case now != *first:
			*first = now
			heap.Fix(h, 0)
		default:
			return first.node
		}
	}
	return nil
}

// Len implements heap.Interface.
func (h nodeHeap) Len() int { return len(h) }

// Less implements heap.Interface.
func (h nodeHeap) Less(i, j int) bool {
	a, b := &h[i], &h[j]
	switch {
	case a.avoid != b.avoid:
		return b.avoid
	case a.count != b.count:
		return a.count < b.count
	case a.tasks != b.tasks:
		return a.tasks < b.tasks
	}
	return a.node.rank < b.node.rank
}

// Swap implements heap.Interface.
func (h nodeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *nodeHeap) Push(x any) { *h = append(*h, x.(candidate)) }

// Pop implements heap.Interface.
func (h *nodeHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

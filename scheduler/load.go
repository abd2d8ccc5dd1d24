package scheduler

import "math/bits"

// loads has the nodes in the order of their load: for each number of tasks the
// set of nodes that have so many, as bits by rank. Moving a node costs nothing,
// finding the next one next to nothing.
type loads struct {
	levels []bitset
	stale  bool // nodes came or went: ranks are to be given anew
}

type bitset []uint64

func (b bitset) next(from int) int {
	for word := from >> 6; word < len(b); word++ {
		left := b[word]
		if word == from>>6 {
			left &= ^uint64(0) << (from & 63)
		}
		if left != 0 {
			return word<<6 + bits.TrailingZeros64(left)
		}
	}
	return -1
}

// cursor is a place in the order of load; the zero value is before the first.
type cursor struct{ level, rank int }

// after returns the node at the cursor and moves on, or nil at the end. A node
// that gets tasks meanwhile is met again.
func (t *nodeTable) after(c *cursor) *node {
	t.rank()
	for ; c.level < len(t.loads.levels); c.level, c.rank = c.level+1, 0 {
		if rank := t.loads.levels[c.level].next(c.rank); rank >= 0 {
			c.rank = rank + 1
			return t.sorted[rank]
		}
	}
	return nil
}

// rank numbers the nodes by ID and sorts them by load, when nodes came or went.
func (t *nodeTable) rank() {
	if !t.loads.stale {
		return
	}
	t.loads = loads{}
	for rank, n := range t.sorted {
		n.rank = rank
		t.put(n)
	}
}

func (t *nodeTable) put(n *node) {
	for n.tasks >= len(t.loads.levels) {
		t.loads.levels = append(t.loads.levels, nil)
	}
	level := t.loads.levels[n.tasks]
	if level == nil {
		level = make(bitset, (len(t.sorted)+63)/64)
		t.loads.levels[n.tasks] = level
	}
	level[n.rank>>6] |= 1 << (n.rank & 63)
}

// move changes how many tasks a node has.
func (t *nodeTable) move(n *node, by int) {
	if t.loads.stale {
		n.tasks += by
		return
	}
	t.loads.levels[n.tasks][n.rank>>6] &^= 1 << (n.rank & 63)
	n.tasks += by
	t.put(n)
}

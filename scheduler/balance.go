package scheduler

import (
	"fmt"
	"slices"

	"github.com/orc-project/orc/api"
)

// level is how many of a service's tasks are below a value of a spread preference,
// or on a node: a tree with a level for each preference, and the nodes as leaves.
// It is what placement goes by (see branch), with the nodes that take nothing, too:
// what they have counts.
type level struct {
	parent   *level
	name     string
	count    int
	children []*level
	byValue  map[string]*level
	// node and the slots on it that can be moved are a leaf's.
	node  *node
	slots []*slot
}

func (l *level) child(name string) *level {
	found := l.byValue[name]
	if found == nil {
		found = &level{parent: l, name: name}
		if l.byValue == nil {
			l.byValue = make(map[string]*level)
		}
		l.byValue[name] = found
		l.children = append(l.children, found)
	}
	return found
}

func (l *level) add(by int) {
	for at := l; at != nil; at = at.parent {
		at.count += by
	}
}

// pick returns the child that is first by its count, of those with a leaf that
// will do, or nil.
func (l *level) pick(better func(a, b int) bool, will func(leaf *level) bool) *level {
	var picked *level
	for _, child := range l.children {
		if (picked == nil || better(child.count, picked.count)) && child.any(will) {
			picked = child
		}
	}
	return picked
}

func (l *level) any(will func(leaf *level) bool) bool {
	if l.node != nil {
		return will(l)
	}
	return slices.ContainsFunc(l.children, func(child *level) bool { return child.any(will) })
}

// leaf goes down from a level by the same choice.
func (l *level) leaf(better func(a, b int) bool, will func(leaf *level) bool) *level {
	for l != nil && l.node == nil {
		l = l.pick(better, will)
	}
	return l
}

func more(a, b int) bool { return a > b }
func less(a, b int) bool { return a < b }

// balance weighs how a service's tasks are spread, and moves them in thought. What
// it does to the node table, undo takes back.
type balance struct {
	*pass
	demand *demand
	root   *level
	// ready says of a node whether it may be moved to.
	ready func(*node) bool
	undo  []func()
}

// move is a slot that would be better elsewhere.
type move struct {
	slot     *slot
	from, to *node
	reason   string
}

// moves are the next moves, at most limit, each of which makes the spread better:
// at the topmost level where it changes anything, the fuller side has at least two
// tasks more than the other. So moving ends, and placement, which takes the emptier
// side, never moves a task back.
func (p *pass) moves(limit int, ready func(*node) bool) []move {
	d := p.demand(p.id, p.service.Current)
	if p.staysPut(d) != "" || limit <= 0 {
		return nil
	}
	p.count()
	defer p.uncount()
	b := &balance{pass: p, demand: d, root: &level{}, ready: ready}
	defer func() {
		for _, undo := range b.undo {
			undo()
		}
	}()
	b.fill()
	var moves []move
	for len(moves) < limit {
		from, to := b.find(b.root, b.open)
		if from == nil {
			break
		}
		moves = append(moves, b.carry(from, to))
	}
	if len(moves) == 0 {
		if from, _ := b.find(b.root, b.willing); from != nil {
			p.pending[p.id] = true // it wants a look when there is room
		}
	}
	return moves
}

// staysPut says why none of a service's tasks is ever moved, or "".
func (p *pass) staysPut(d *demand) string {
	switch {
	case d == nil:
		return "its spec is gone"
	case p.revision.Spec.Mode.Job():
		return "the tasks of a job run to their end where they are"
	case p.revision.Spec.Mode.Global():
		return "it has one task on every node"
	case len(d.volumes) > 0:
		return "its tasks stay with the data of volume " + d.volumes[0]
	}
	return ""
}

// fill builds the tree. A slot that is between two tasks counts once, where its
// new one is or will be.
func (b *balance) fill() {
	var unplaced []*slot
	movable := make(map[*node][]*slot)
	for _, s := range b.slots {
		switch {
		case s.holder == nil || s.holder.task.Node == "":
			unplaced = append(unplaced, s)
		case b.mayMove(s):
			n := b.nodes.byID[s.holder.task.Node]
			movable[n] = append(movable[n], s)
		}
	}
	leaves := make(map[string]*level)
	for _, n := range b.nodes.sorted {
		at := b.root
		for _, preference := range b.demand.preferences {
			at = at.child(preference + "=" + api.NodeAttribute(preference, n.Node, n.info()))
		}
		leaf := at.child("node " + n.Name)
		leaf.node, leaf.slots = n, movable[n]
		leaf.add(n.count)
		leaves[n.ID] = leaf
	}
	for _, s := range unplaced {
		to := leaves[b.targets[s.number]]
		if to == nil {
			to = b.root.leaf(less, b.open)
		}
		if to != nil {
			b.shift(to, 1)
		}
	}
}

// mayMove says that a slot's one task runs where it could also be left alone.
func (b *balance) mayMove(s *slot) bool {
	n := b.nodes.byID[s.holder.task.Node]
	return n != nil && n.ready() && n.Availability != api.AvailabilityPause &&
		s.holder.running() && s.holder.task.Revision == b.service.Current && len(s.older)+len(s.leaving) == 0
}

// open says that a node takes one more task, and that the service does not keep
// failing there.
func (b *balance) open(leaf *level) bool {
	return b.ready(leaf.node) && leaf.node.failures < avoidAfter && b.demand.judge(leaf.node) == fits
}

// willing is open to whom room alone is missing.
func (b *balance) willing(leaf *level) bool {
	return b.ready(leaf.node) && leaf.node.failures < avoidAfter && b.demand.mayTake(leaf.node) == fits
}

func hasSlots(leaf *level) bool { return len(leaf.slots) > 0 }

// find returns the leaves of the move that improves the spread most at the topmost
// level where one does, or nil.
func (b *balance) find(at *level, takes func(leaf *level) bool) (from, to *level) {
	fuller, emptier := at.pick(more, hasSlots), at.pick(less, takes)
	if fuller != nil && emptier != nil && fuller.count-emptier.count >= 2 {
		return fuller.leaf(more, hasSlots), emptier.leaf(less, takes)
	}
	for _, child := range at.children {
		if from, to = b.find(child, takes); from != nil {
			return from, to
		}
	}
	return nil, nil
}

// carry moves the highest slot of a leaf in thought.
func (b *balance) carry(from, to *level) move {
	last := len(from.slots) - 1
	m := move{slot: from.slots[last], from: from.node, to: to.node, reason: why(from, to)}
	from.slots = from.slots[:last]
	b.shift(from, -1)
	b.shift(to, 1)
	return m
}

func (b *balance) shift(leaf *level, by int) {
	leaf.add(by)
	n := leaf.node
	if n.count += by; n.count == by {
		b.counted = append(b.counted, n)
	}
	b.nodes.add(n, b.demand, int64(by))
	b.undo = append(b.undo, func() { b.nodes.add(n, b.demand, int64(-by)) })
}

// why compares the two sides of a move where they part.
func why(from, to *level) string {
	above := make(map[*level]*level) // of each level above from, the one below it
	for at := from; at != nil; at = at.parent {
		above[at.parent] = at
	}
	at := to
	for above[at.parent] == nil {
		at = at.parent
	}
	side := above[at.parent]
	return fmt.Sprintf("moves from node %s to %s: %s has %d of its tasks, %s has %d",
		from.node.Name, to.node.Name, side.name, side.count, at.name, at.count)
}

package scheduler

import "slices"

// coverNodes gives every node that may host one a task of a global service, and
// forgets those of nodes that are gone.
//
// Such tasks have their node from the start. Nodes that may host one but cannot
// now are explained by one pending task that stands for all of them.
func (p *pass) coverNodes() {
	byNode := make(map[string]*slot, len(p.slots))
	for _, s := range slices.Clone(p.slots) {
		if s.node != "" && p.nodes.byID[s.node] == nil {
			p.discard(s, "its node was removed from the cluster")
			continue
		}
		byNode[s.node] = s
	}
	why := p.eachNode(byNode, p.service.Current, func(s *slot) {
		p.succeed(s, p.successorRevision(s), 0, p.whyNew(s))
	})
	p.standIn(byNode[""], 0, why)
}

// eachNode calls create for the slot of each node that wants a task and has room
// for it, and returns why others must wait, or "".
func (p *pass) eachNode(byNode map[string]*slot, revision int, create func(*slot)) string {
	if why := p.waitsFor(); why != "" {
		return why
	}
	d := p.demand(p.id, revision)
	var lacking []*node
	for _, n := range p.nodes.sorted {
		s := byNode[n.ID]
		if s != nil && (s.holder != nil || p.waitsForEnd(s)) || d.mayTake(n) != fits {
			continue
		}
		if (s == nil || s.successor() == nil) && d.room(n) != fits {
			lacking = append(lacking, n)
			continue
		}
		if s == nil {
			s = p.newSlot(0, n.ID)
		}
		create(s)
	}
	if len(lacking) == 0 {
		return ""
	}
	return d.explain(lacking)
}

// fill gives a slot its next task. A node's slot stays empty while the node has no
// room for it: eachNode will say so.
func (p *pass) fill(s *slot, revision, iteration int, reason string) {
	if s.node != "" && s.successor() == nil {
		if n := p.nodes.byID[s.node]; n == nil || p.demand(p.id, revision).judge(n) != fits {
			return
		}
	}
	p.succeed(s, revision, iteration, reason)
}

// standIn keeps one pending task that says why, or none when there is nothing to
// say.
func (p *pass) standIn(s *slot, iteration int, why string) {
	if s != nil && s.holder != nil && (why == "" || s.holder.task.Revision != p.service.Current) {
		p.discard(s, "a task on each node")
		s = nil
	}
	if why == "" {
		return
	}
	p.pending[p.id] = true
	if s == nil || s.holder == nil {
		p.create(p.newSlot(0, ""), p.service.Current, iteration, why)
		return
	}
	p.explain(s.holder, why)
}

// standsIn says that a slot is no node's: see coverNodes.
func (s *slot) standsIn() bool { return s.number == 0 && s.node == "" }

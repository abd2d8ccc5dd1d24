package rules

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// content is what there is in one of orc's tables and may change: elements of sets,
// and the chains of the classes that these refer to.
type content struct {
	sets    map[string]elements
	classes map[class]bool
}

// elements are a set's: data by key, both as the kernel has them. What the data of
// a verdict map says is the name of the chain to go to. Keys of intervals have both
// ends: see set.
type elements map[string]string

// chain is a chain's rules; base says where the kernel enters it, if it does.
type chain struct {
	base  *base
	rules []rule
}

// base is the place of a chain in the kernel's work on a packet.
type base struct {
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
	policy   nftables.ChainPolicy
}

// rule is what one rule looks at and does, in order.
type rule []expr.Any

func newContent() content {
	return content{sets: make(map[string]elements), classes: make(map[class]bool)}
}

// put adds an element.
func (c content) put(set, key, data string) { put(c.sets, set, key, data) }

func put(sets map[string]elements, set, key, data string) {
	if sets[set] == nil {
		sets[set] = make(elements)
	}
	sets[set][key] = data
}

// change is what leads from the elements of one content to those of another.
type change struct {
	gone, added map[string]elements // by set
}

// compare tells what changes. Intervals are replaced together: the kernel looks at
// how each fits between its neighbours.
func compare(sets []set, from, to content) change {
	c := change{gone: make(map[string]elements), added: make(map[string]elements)}
	for _, set := range sets {
		old, next := from.sets[set.name], to.sets[set.name]
		gone, added := without(old, next), without(next, old)
		if set.kind == prefixes && len(gone)+len(added) > 0 {
			gone, added = old, next
		}
		if len(gone) > 0 {
			c.gone[set.name] = gone
		}
		if len(added) > 0 {
			c.added[set.name] = added
		}
	}
	return c
}

// split takes apart what can wait: elements that are deleted and do not make room
// for others.
func (c change) split(sets []set) (first, second change) {
	first = change{gone: make(map[string]elements), added: c.added}
	second = change{gone: make(map[string]elements)}
	for _, set := range sets {
		for key, data := range c.gone[set.name] {
			if _, replaced := c.added[set.name][key]; replaced || set.kind == prefixes {
				put(first.gone, set.name, key, data)
			} else {
				put(second.gone, set.name, key, data)
			}
		}
	}
	return first, second
}

// without returns the elements that the others do not have, or have with other data.
func without(some, others elements) elements {
	left := make(elements)
	for key, data := range some {
		if other, found := others[key]; !found || other != data {
			left[key] = data
		}
	}
	return left
}

// empty reports whether nothing changes.
func (c change) empty() bool { return len(c.gone) == 0 && len(c.added) == 0 }

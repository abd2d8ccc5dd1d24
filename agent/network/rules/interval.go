package rules

import (
	"cmp"
	"net/netip"
	"slices"
)

// Marks in the keys of sets of the kind prefixes.
const (
	ended  = "\x00" // comes first where another interval starts
	starts = "\x01"
)

// flatten makes of prefixes, of which the most specific one counts, the intervals
// of a set, which must not overlap: where each starts, and where it has ended.
// Neighbours with the same data become one.
func flatten(prefixes map[netip.Prefix]string) elements {
	type change struct {
		at   netip.Addr
		data *string // nil: nothing from here on
	}
	var changes []change
	// From the most general to the most specific: each cuts out its part.
	ordered := make([]netip.Prefix, 0, len(prefixes))
	for prefix := range prefixes {
		ordered = append(ordered, prefix)
	}
	slices.SortFunc(ordered, func(a, b netip.Prefix) int {
		return cmp.Or(a.Masked().Addr().Compare(b.Masked().Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	// In this order a prefix comes after those that contain it: they are the stack.
	var stack []netip.Prefix
	over := func(next netip.Addr) { // all that end before next
		for len(stack) > 0 {
			top := stack[len(stack)-1]
			_, last := bounds(top)
			if next.IsValid() && next.Compare(last) <= 0 {
				return
			}
			stack = stack[:len(stack)-1]
			if after := last.Next(); after.IsValid() {
				var data *string
				if len(stack) > 0 {
					outer := prefixes[stack[len(stack)-1]]
					data = &outer
				}
				changes = append(changes, change{after, data})
			}
		}
	}
	for _, prefix := range ordered {
		first, _ := bounds(prefix)
		over(first)
		data := prefixes[prefix]
		changes = append(changes, change{first, &data})
		stack = append(stack, prefix)
	}
	over(netip.Addr{})

	flat := make(elements)
	var current *string
	for i, c := range changes {
		if i+1 < len(changes) && changes[i+1].at == c.at {
			continue // the last word at an address counts
		}
		if current != nil && c.data != nil && *current == *c.data {
			continue
		}
		if current != nil {
			flat[addressKey(c.at)+ended] = ""
		}
		if c.data != nil {
			flat[addressKey(c.at)+starts] = *c.data
		}
		current = c.data
	}
	return flat
}

package network

import (
	"net/netip"

	"github.com/orc-project/orc/api"
)

// A node's block has an address for each of its tasks on the network and some to
// spare, for addresses rest for a while before they are used again. In a small
// subnet, where others need them more, there are fewer to spare or none.
//
// What a block gains is as large as what it has, so that there are few prefixes of
// it, in bounds: at least grain, and never more than a share of the subnet.

// need is how many addresses a node wants for its tasks.
func need(subnet netip.Prefix, tasks int) int {
	if tasks == 0 {
		return 0
	}
	return tasks + min(max(2, tasks/2), size(subnet)/32)
}

// grain is how many addresses a node is given at least, while there are enough.
func grain(subnet netip.Prefix) int { return min(max(size(subnet)/256, 1), 16) }

// assignable counts the addresses of a block that its owner may give.
func assignable(subnet netip.Prefix, prefixes []netip.Prefix) int {
	n := 0
	for _, prefix := range prefixes {
		n += usable(subnet, prefix)
	}
	return n
}

// grow gives a block of the network prefixes until it has n addresses to give, or
// until there is no room.
func (l *Ledger) grow(p *page, block *api.Block, n int) {
	subnet := p.network.Subnet
	for have := assignable(subnet, block.Prefixes); have < n; have = assignable(subnet, block.Prefixes) {
		more := max(n-have, grain(subnet), min(have, size(subnet)/16))
		prefix, ok := l.free(p).carveUpTo(lengthFor(more))
		if !ok {
			return
		}
		block.Prefixes = append(block.Prefixes, prefix)
	}
}

package hosts

import (
	"cmp"
	"math/bits"
	"net/netip"
	"slices"
)

// maxWitnesses is how many of them a vigil may have to go through.
const maxWitnesses = 8

// Nearest picks witnesses for a vigil over a host from others: the nearest to it by their
// addresses, for what breaks connections on the way to it (a firewall that another one
// takes over from) breaks theirs too.
func Nearest(host netip.Addr, others []netip.Addr) []netip.Addr {
	others = slices.DeleteFunc(slices.Clone(others), func(a netip.Addr) bool {
		return !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a == host
	})
	slices.SortFunc(others, func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(shared(b, host), shared(a, host)), a.Compare(b))
	})
	others = slices.Compact(others)
	return others[:min(len(others), maxWitnesses)]
}

// shared is how many leading bits two addresses have in common.
func shared(a, b netip.Addr) int {
	if a.BitLen() != b.BitLen() {
		return 0
	}
	x, y := a.As16(), b.As16()
	for i := range x {
		if x[i] != y[i] {
			return 8*i + bits.LeadingZeros8(x[i]^y[i])
		}
	}
	return 8 * len(x)
}

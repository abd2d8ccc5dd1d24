package dns

import (
	"net/netip"
	"slices"
	"strings"
)

// reversed returns the address that a name of in-addr.arpa (RFC 1035, section 3.5)
// or ip6.arpa (RFC 3596, section 2.5) stands for; the name is in lower case and
// without a dot at its end.
func reversed(name string) (netip.Addr, bool) {
	text, v4 := strings.CutSuffix(name, ".in-addr.arpa")
	if v4 {
		octets := strings.Split(text, ".")
		slices.Reverse(octets)
		address, err := netip.ParseAddr(strings.Join(octets, "."))
		return address, err == nil && address.Is4()
	}
	text, v6 := strings.CutSuffix(name, ".ip6.arpa")
	if !v6 || len(text) != 63 {
		return netip.Addr{}, false
	}
	nibbles := strings.Split(text, ".")
	slices.Reverse(nibbles)
	var groups []string
	for group := range slices.Chunk(nibbles, 4) {
		groups = append(groups, strings.Join(group, ""))
	}
	address, err := netip.ParseAddr(strings.Join(groups, ":"))
	return address, err == nil && len(nibbles) == 32
}

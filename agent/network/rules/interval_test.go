package rules

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// lookUp finds what the intervals have for an address, as the kernel does.
func lookUp(flat elements, address netip.Addr) (string, bool) {
	data, found := "", false
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		if key[:4] > addressKey(address) {
			break
		}
		data, found = flat[key], key[4:] == starts
	}
	return data, found
}

func TestIntervalsSayWhatTheMostSpecificPrefixSays(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		// Few bits differ, so that prefixes nest and touch.
		prefixes := make(map[netip.Prefix]string)
		for range r.IntN(8) {
			address := netip.AddrFrom4([4]byte{byte(r.IntN(2)) * 255, 255, 255, byte(r.IntN(256))})
			bits := []int{0, 1, 8, 24 + r.IntN(9)}[r.IntN(4)]
			prefixes[netip.PrefixFrom(address, bits).Masked()] = string('a' + rune(r.IntN(2)))
		}
		flat := flatten(prefixes)
		for range 50 {
			address := netip.AddrFrom4([4]byte{byte(r.IntN(2)) * 255, 255, 255, byte(r.IntN(256))})
			data, found, bits := "", false, -1
			for prefix, value := range prefixes {
				if prefix.Contains(address) && prefix.Bits() > bits {
					data, found, bits = value, true, prefix.Bits()
				}
			}
			got, there := lookUp(flat, address)
			require.Equal(t, found, there, "%s in %v", address, prefixes)
			require.Equal(t, data, got, "%s in %v", address, prefixes)
		}
		// They do not overlap: each ends before the next one starts.
		open := false
		for _, key := range slices.Sorted(maps.Keys(flat)) {
			require.Equal(t, open, key[4:] == ended, "%v makes %q", prefixes, flat)
			open = key[4:] == starts
		}
	}
}

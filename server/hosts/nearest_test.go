package hosts

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNearestHostsAreWitnesses(t *testing.T) {
	parse := func(texts ...string) (found []netip.Addr) {
		for _, text := range texts {
			found = append(found, netip.MustParseAddr(text))
		}
		return found
	}
	others := append(parse("127.0.0.1", "0.0.0.0", "fd00::1", "10.9.0.1", "10.1.0.1", "10.1.1.1", "10.9.0.1", "::1"), netip.Addr{})
	require.Equal(t, "[10.1.1.1 10.9.0.1 fd00::1]", fmt.Sprint(Nearest(parse("10.1.0.1")[0], others)))
	require.Equal(t, "[fd00::1 10.1.0.1 10.1.1.1 10.9.0.1]", fmt.Sprint(Nearest(parse("fd00::2")[0], others)))
	others = nil
	for i := range 20 {
		others = append(others, netip.AddrFrom4([4]byte{10, 0, byte(i), 1}))
	}
	require.Equal(t, "[10.0.9.1 10.0.8.1 10.0.10.1 10.0.11.1 10.0.12.1 10.0.13.1 10.0.14.1 10.0.15.1]",
		fmt.Sprint(Nearest(parse("10.0.9.2")[0], others)))
}

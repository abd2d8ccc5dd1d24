package scheme

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryNodeHasItsOwnAddress(t *testing.T) {
	metadata := netip.MustParseAddr("169.254.169.254")
	seen := map[netip.Addr]bool{Gateway: true, RouterIP: true, HostIP: true}
	for n := range MaxNode + 1 {
		address := NodeIP(uint16(n))
		require.False(t, seen[address], "node %d: %s", n, address)
		require.True(t, address.IsLinkLocalUnicast() && address.Less(metadata))
		seen[address] = true
		require.Equal(t, byte(n), NodeMAC(uint16(n))[5])
	}
}

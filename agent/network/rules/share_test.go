package rules

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNodesSharePortsWithoutOverlap(t *testing.T) {
	require.Zero(t, ShareOf(0, 1), "the only node leaves ports alone")
	for n := 2; n <= shares; n++ {
		owner := make(map[int]int)
		for index := range n {
			share := ShareOf(index, n)
			require.GreaterOrEqual(t, share.First, uint16(1024))
			require.Greater(t, int(share.Last)-int(share.First), 4000, "%d of %d", index, n)
			for port := int(share.First); port <= int(share.Last); port++ {
				_, taken := owner[port]
				require.False(t, taken, "%d of %d: port %d is %d's", index, n, port, owner[port])
				owner[port] = index
			}
		}
	}
	require.Equal(t, ShareOf(1, 100), ShareOf(1+shares, 100))
}

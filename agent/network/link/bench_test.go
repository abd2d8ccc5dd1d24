package link

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkAttach attaches containers to a node that has a thousand. The aim: 5 ms.
func BenchmarkAttach(b *testing.B) {
	w := newWorld(b)
	n := w.nodes[0]
	attachMany(b, n, 1000)
	i := 1000
	for b.Loop() {
		_, err := n.Attach(fmt.Sprint("many", i), manyth(i))
		require.NoError(b, err)
		i++
	}
}

// BenchmarkAdopt attaches what a former process attached, as an agent does that
// starts.
func BenchmarkAdopt(b *testing.B) {
	w := newWorld(b)
	attachMany(b, w.nodes[0], 100)
	for b.Loop() {
		_, err := w.nodes[0].Attach("many7", manyth(7))
		require.NoError(b, err)
	}
}

// BenchmarkRestore looks for damage where there is none, with a thousand containers.
func BenchmarkRestore(b *testing.B) {
	w := newWorld(b)
	attachMany(b, w.nodes[0], 1000)
	for b.Loop() {
		require.NoError(b, w.nodes[0].Restore())
	}
}

// BenchmarkApply changes one block of 10,000 on 1,000 peers.
func BenchmarkApply(b *testing.B) {
	w := newWorld(b)
	state := w.state(0)
	for i := range uint16(1000) {
		state.Peers = append(state.Peers, Peer{Number: i + 10, Address: netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})})
	}
	for i := range 10000 {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 100, byte(i >> 6), byte(i << 2)}), 30)
		state.Blocks = append(state.Blocks, Block{Prefix: prefix, Node: uint16(i%1000 + 10)})
	}
	begun := time.Now()
	require.NoError(b, w.nodes[0].Apply(state))
	b.Logf("all of it at once: %s", time.Since(begun))
	i := uint16(0)
	for b.Loop() {
		i++
		state.Blocks[500].Node = i%1000 + 10
		require.NoError(b, w.nodes[0].Apply(state))
	}
}

func manyth(i int) Attachment {
	return Attachment{Link: fmt.Sprint("orc-c", i), Networks: []Membership{{Address: netip.AddrFrom4([4]byte{10, 5, byte(i >> 8), byte(i)}), Subnet: subnet}}}
}

func attachMany(b *testing.B, n *Node, size int) {
	for i := range size {
		_, err := n.Attach(fmt.Sprint("many", i), manyth(i))
		require.NoError(b, err)
	}
}

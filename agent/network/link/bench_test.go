package link

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
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

// BenchmarkThroughput compares one TCP connection between containers of two nodes
// with one over a plain VXLAN between the same hosts. The aim: 90 %. The two take
// short turns, and the median of the turns' ratios counts, for the machine has moods.
func BenchmarkThroughput(b *testing.B) {
	w := newWorld(b)
	one, far := w.attach(b, 0, 1), w.attach(b, 1, 1)
	for i := range w.hosts {
		w.plainVXLAN(b, i)
	}
	var orc, plain, ratios []float64
	for b.Loop() {
		orc = append(orc, throughput(b, one, far, container(1, 1)))
		plain = append(plain, throughput(b, w.hosts[0], w.hosts[1], plainAddress(1)))
		ratios = append(ratios, orc[len(orc)-1]/plain[len(plain)-1])
	}
	b.ReportMetric(median(orc)/1e6, "orc-MB/s")
	b.ReportMetric(median(plain)/1e6, "plain-MB/s")
	b.ReportMetric(median(ratios), "x-plain")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func plainAddress(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 168, 77, byte(i + 1)}) }

func (w *world) plainVXLAN(b *testing.B, i int) {
	s := spaceOf(b, w.hosts[i])
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = "plain", 1450
	link := &netlink.Vxlan{LinkAttrs: attributes, VxlanId: 7, Port: 4791, SrcAddr: underlay(i).AsSlice(), Group: underlay(1 - i).AsSlice(), Learning: true}
	require.NoError(b, s.handle.LinkAdd(link))
	require.NoError(b, s.handle.LinkSetUp(link))
	_, err := s.link("plain")
	require.NoError(b, err)
	require.NoError(b, address{"plain", netip.PrefixFrom(plainAddress(i), 24)}.set(s))
}

// throughput is in bytes per second.
func throughput(b *testing.B, from, to int, address netip.Addr) float64 {
	b.Helper()
	at := netip.AddrPortFrom(address, 5001)
	var listener net.Listener
	require.NoError(b, within(to, func() (err error) {
		listener, err = net.Listen("tcp4", at.String())
		return err
	}))
	defer listener.Close()
	received := make(chan int64, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- 0
			return
		}
		defer conn.Close()
		size, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, conn, make([]byte, 1<<18))
		received <- size
	}()
	conn, err := dial(from, at)
	require.NoError(b, err)
	begun := time.Now()
	require.NoError(b, conn.SetWriteDeadline(begun.Add(200*time.Millisecond)))
	for chunk := make([]byte, 1<<18); err == nil; {
		_, err = conn.Write(chunk)
	}
	if !errors.Is(err, unix.ETIMEDOUT) {
		require.ErrorContains(b, err, "i/o timeout")
	}
	conn.Close()
	size := <-received
	return float64(size) / time.Since(begun).Seconds()
}

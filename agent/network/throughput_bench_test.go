package network

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/orc-project/orc/agent/network/scheme"
)

// BenchmarkThroughput compares one TCP connection between containers of two nodes,
// packet rules and all, with one over a plain VXLAN between the same two namespaces:
// one that ends in the namespaces themselves ("plain", the aim is 90 % of it), and one
// with a bridge and a pair of links on either host, as other overlays have it
// ("bridged"). They take short turns, and the median of the turns' ratios counts, for
// the machine has moods.
func BenchmarkThroughput(b *testing.B) {
	hosts := twoHosts(b)
	tasks := [2]string{"sender", "receiver"}
	for _, h := range hosts {
		h.fabric.Apply(told(h))
	}
	hosts[0].attach(tasks[0], "front")
	addresses := map[string]netip.Addr{
		"orc": hosts[1].attach(tasks[1], "front")["front"], "plain": plainAddress(1), "bridged": bridgedAddress(1),
	}
	for i, h := range hosts {
		space := h.space
		h.inside(tasks[i], func() error {
			own, err := netns.Get()
			if err != nil {
				return err
			}
			defer own.Close()
			return errors.Join(plainVXLAN(space, own, i), bridgedVXLAN(space, own, i))
		})
	}
	rates, ratios := make(map[string][]float64), make(map[string][]float64)
	for b.Loop() {
		turn := make(map[string]float64)
		for name, address := range addresses {
			turn[name] = throughput(b, hosts, tasks, address)
			rates[name] = append(rates[name], turn[name])
		}
		for _, name := range []string{"plain", "bridged"} {
			ratios[name] = append(ratios[name], turn["orc"]/turn[name])
		}
	}
	for name, each := range rates {
		b.ReportMetric(median(each)/1e6, name+"-MB/s")
	}
	for name, each := range ratios {
		b.ReportMetric(median(each), "x-"+name)
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func plainAddress(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 168, 77, byte(i + 1)}) }

func bridgedAddress(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 168, 78, byte(i + 1)}) }

// plainVXLAN puts a VXLAN of host i into a namespace.
func plainVXLAN(host, inside netns.NsHandle, i int) error {
	vxlan := peerVXLAN(i, 7, "plain")
	vxlan.Namespace = netlink.NsFd(inside)
	return errors.Join(addLink(host, vxlan), raise(inside, "plain", plainAddress(i)))
}

// bridgedVXLAN connects a namespace with a VXLAN of host i by a bridge there.
func bridgedVXLAN(host, inside netns.NsHandle, i int) error {
	bridge := &netlink.Bridge{LinkAttrs: benchLink("bridge")}
	if err := addLink(host, bridge); err != nil {
		return err
	}
	pair := &netlink.Veth{LinkAttrs: benchLink("pair"), PeerName: "bridged", PeerNamespace: netlink.NsFd(inside)}
	vxlan := peerVXLAN(i, 8, "vxlan")
	pair.MasterIndex, vxlan.MasterIndex = bridge.Index, bridge.Index
	return errors.Join(addLink(host, pair), addLink(host, vxlan), raise(inside, "bridged", bridgedAddress(i)))
}

func peerVXLAN(i, vni int, name string) *netlink.Vxlan {
	return &netlink.Vxlan{
		LinkAttrs: benchLink(name), VxlanId: vni, Port: 4784 + vni, Learning: true,
		SrcAddr: net.IPv4(192, 0, 2, byte(i+1)), Group: net.IPv4(192, 0, 2, byte(2-i)),
	}
}

func benchLink(name string) netlink.LinkAttrs {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = name, 1500-scheme.VXLANOverhead
	return attributes
}

// addLink makes a link and raises it, unless it is for another namespace.
func addLink(at netns.NsHandle, link netlink.Link) error {
	handle, err := netlink.NewHandleAt(at)
	if err != nil {
		return err
	}
	defer handle.Close()
	if err := handle.LinkAdd(link); err != nil {
		return fmt.Errorf("add %s: %w", link.Attrs().Name, err)
	}
	if link.Attrs().Namespace != nil {
		return nil
	}
	return handle.LinkSetUp(link)
}

// raise raises a link and gives it an address of a /24.
func raise(at netns.NsHandle, name string, address netip.Addr) error {
	handle, err := netlink.NewHandleAt(at)
	if err != nil {
		return err
	}
	defer handle.Close()
	link, err := handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	own, err := netlink.ParseAddr(netip.PrefixFrom(address, 24).String())
	return errors.Join(err, handle.LinkSetUp(link), handle.AddrAdd(link, own))
}

// throughput is that of a moment, in bytes per second.
func throughput(b *testing.B, hosts [2]*host, tasks [2]string, address netip.Addr) float64 {
	b.Helper()
	at := netip.AddrPortFrom(address, 5001).String()
	var listener net.Listener
	hosts[1].inside(tasks[1], func() (err error) {
		listener, err = net.Listen("tcp4", at)
		return err
	})
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
	var conn net.Conn
	hosts[0].inside(tasks[0], func() (err error) {
		conn, err = net.DialTimeout("tcp4", at, 3*time.Second)
		return err
	})
	begun := time.Now()
	require.NoError(b, conn.SetWriteDeadline(begun.Add(200*time.Millisecond)))
	var err error
	for chunk := make([]byte, 1<<18); err == nil; {
		_, err = conn.Write(chunk)
	}
	require.ErrorIs(b, err, os.ErrDeadlineExceeded)
	require.NoError(b, conn.Close())
	size := <-received
	return float64(size) / time.Since(begun).Seconds()
}

package rules

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

// forbid is a host's own rule set: nothing is forwarded.
func (n *node) forbid() {
	conn := foreign(n.host.t, n.host.namespace)
	table := conn.AddTable(&nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4})
	policy := nftables.ChainPolicyDrop
	conn.AddChain(&nftables.Chain{
		Name: "FORWARD", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &policy,
	})
	require.NoError(n.host.t, conn.Flush())
}

// publish makes every node publish a port, TCP and UDP.
func (l *lab) publish(number uint16, published Published) {
	for _, n := range l.nodes {
		for _, proto := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			n.state.Ports[Port{proto, number}] = published
		}
		n.apply()
	}
}

// backends are boxes by their last address, which is that on the ingress network.
func backends(port uint16, boxes ...*box) (found []netip.AddrPort) {
	for _, b := range boxes {
		found = append(found, netip.AddrPortFrom(b.addresses[len(b.addresses)-1], port))
	}
	return found
}

// seenAs is how a container is seen that asked its host: over UDP as that.
func seenAs(b *box, host netip.Addr) map[string]string {
	return map[string]string{"tcp": b.addresses[0].String(), "udp": host.String()}
}

func TestPublishedPortIsReachedThroughEveryNode(t *testing.T) {
	l := newLab(t, 3)
	one, two, three := l.nodes[0], l.nodes[1], l.nodes[2]
	for _, n := range l.nodes {
		n.forbid()
	}
	backend := two.run(1, false, 0, 255)
	backend.serve(backend.name, ":80")
	l.publish(8010, Published{Backends: backends(80, backend)})
	neighbour, stranger := two.run(2, false, 0), one.run(3, false, 1)

	for _, n := range l.nodes {
		for _, which := range []int{0, 10} {
			l.client.reaches(at4(n.address(which), 8010), backend.name, "10.9.0.100")
		}
		// The node itself, by any of its addresses, and another one.
		n.host.reaches(at4(n.address(0), 8010), backend.name, n.address(0).String())
		n.host.reaches(at4(n.address(10), 8010), backend.name, n.address(0).String())
		n.host.reaches("127.0.0.1:8010", backend.name, scheme.HostIP.String())
	}
	one.host.reaches(at4(three.address(0), 8010), backend.name, one.address(0).String())

	// Containers, of whichever network, by their own host and another; the one that
	// answers, too.
	neighbour.reachesAs(at4(two.address(0), 8010), backend.name, seenAs(neighbour, two.address(0)))
	stranger.reachesAs(at4(one.address(0), 8010), backend.name, seenAs(stranger, one.address(0)))
	backend.reaches(at4(two.address(0), 8010), backend.name, two.address(0).String())

	// What is not published is the host's.
	l.client.isRefused(at4(one.address(0), 8011), unix.ECONNREFUSED)
	l.publish(8010, Published{})
	l.client.isRefused(at4(one.address(0), 8010), unix.ECONNREFUSED)
	two.host.isRefused("127.0.0.1:8010", unix.ECONNREFUSED)
}

// A packet that is larger than the containers' links take is cut to pieces for them,
// if its sender lets it be; if not, he is told.
func TestALargePacketArrivesIfItMayBeCut(t *testing.T) {
	l := newLab(t, 2)
	one, two := l.nodes[0], l.nodes[1]
	near, far := one.run(1, true, 255), two.run(1, true, 255)
	for _, b := range []*box{near, far} {
		require.NoError(t, b.netlink.LinkSetMTU(b.link("eth0"), 1400))
	}
	require.NoError(t, one.router.netlink.LinkSetMTU(one.router.link(near.name), 1400))
	require.NoError(t, two.router.netlink.LinkSetMTU(two.router.link(far.name), 1400))
	// Of each way the client has to hear for itself: it remembers what it hears by address.
	for address, b := range map[netip.Addr]*box{one.address(0): near, one.address(10): far} {
		l.publish(8010, Published{Backends: backends(80, b)})
		packets := b.listen(":80")
		// The socket stays open: only an open one is told that a packet was too large.
		var client net.Conn
		require.NoError(t, within(l.client.namespace, func() (err error) {
			client, err = net.Dial("udp4", at4(address, 8010))
			return err
		}))
		defer client.Close()
		raw, err := client.(*net.UDPConn).SyscallConn()
		require.NoError(t, err)
		send := func(discover int, size int) {
			var set error
			err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover) })
			require.NoError(t, errors.Join(err, set))
			if _, err = client.Write(bytes.Repeat([]byte{'x'}, size)); !errors.Is(err, unix.EMSGSIZE) { // told: the next one is cut
				require.NoError(t, err)
			}
		}
		buffer := make([]byte, 2000)
		receive := func() int {
			require.NoError(t, packets.SetReadDeadline(time.Now().Add(patience)))
			size, _, err := packets.ReadFrom(buffer)
			require.NoError(t, err)
			return size
		}
		send(unix.IP_PMTUDISC_DONT, 1472)
		require.Equal(t, 1472, receive())

		// The first one that may not be cut is lost, as anywhere; the sender hears of the
		// smaller way, and cuts the next one himself.
		deadline := time.Now().Add(patience)
		for received := false; !received; {
			send(unix.IP_PMTUDISC_WANT, 1471)
			require.True(t, time.Now().Before(deadline), "no packet arrives")
			require.NoError(t, packets.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
			size, _, err := packets.ReadFrom(buffer)
			received = err == nil && size == 1471
		}
	}
}

func TestPortIsPublishedOnOneAddress(t *testing.T) {
	l := newLab(t, 1)
	n := l.nodes[0]
	backend, other := n.run(1, false, 255), n.run(2, false, 0)
	backend.serve(backend.name, ":80")
	for _, address := range []netip.Addr{n.address(10), netip.MustParseAddr("127.0.0.1")} {
		port := uint16(8000 + int(address.As4()[0]))
		l.publish(port, Published{HostIP: address, Backends: backends(80, backend)})
	}
	l.client.reaches(at4(n.address(10), 8010), backend.name, "10.9.0.100")
	l.client.isRefused(at4(n.address(0), 8010), unix.ECONNREFUSED)
	n.host.reaches(at4(n.address(10), 8010), backend.name, n.address(0).String())
	n.host.isRefused("127.0.0.1:8010", unix.ECONNREFUSED)
	other.reachesAs(at4(n.address(10), 8010), backend.name, seenAs(other, n.address(10)))

	n.host.reaches("127.0.0.1:8127", backend.name, scheme.HostIP.String())
	l.client.isRefused(at4(n.address(0), 8127), unix.ECONNREFUSED)
}

func TestContainersReachTheOutside(t *testing.T) {
	l := newLab(t, 1)
	n := l.nodes[0]
	n.forbid()
	free, bound := n.run(1, true, 0), n.run(2, false, 0)
	l.client.serve("internet", "8.8.8.8:9000")
	l.client.serve("neighbour", "10.9.0.100:9000")
	n.host.serve("host", ":9100")

	free.reaches("8.8.8.8:9000", "internet", n.address(0).String())
	free.reaches("10.9.0.100:9000", "neighbour", n.address(0).String())
	bound.isRefused("8.8.8.8:9000", unix.EHOSTUNREACH)
	// The host's own services, as from its own link.
	free.reaches(at4(n.address(0), 9100), "host", "169.254.1.2")
	bound.isRefused(at4(n.address(0), 9100), unix.EHOSTUNREACH)

	// Another address for a part of the world, and no way out but that.
	n.state.Egress = []Egress{{netip.MustParsePrefix("8.0.0.0/8"), n.address(10)}}
	n.apply()
	free.reaches("8.8.8.8:9000", "internet", n.address(10).String())
	free.isRefused("10.9.0.100:9000", unix.EHOSTUNREACH)
}

func TestPingAndItsErrorsComeBack(t *testing.T) {
	l := newLab(t, 1)
	n := l.nodes[0]
	n.forbid()
	free := n.run(1, true, 0)
	require.NoError(t, free.ping("8.8.8.8"))
	require.NoError(t, free.ping("169.254.1.1"))
	// Nobody listens: the outside's ICMP error finds the container.
	_, _, err := free.ask("udp", "8.8.8.8:9")
	require.ErrorIs(t, err, unix.ECONNREFUSED)
}

func TestNobodySendsFromAnAddressThatIsNotHis(t *testing.T) {
	l := newLab(t, 1)
	n := l.nodes[0]
	liar, target, honest := n.run(1, true, 0), n.run(2, false, 0), n.run(3, false, 0)
	packets := target.listen(":90")
	say := func(p place, from, word string) {
		inside(t, p.namespace, func() error {
			dialer := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
			conn, err := dialer.Dial("udp4", at4(target.addresses[0], 90))
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.Write([]byte(word))
			return err
		})
	}
	for _, forged := range []string{"10.0.1.77", honest.addresses[0].String(), "8.8.4.4"} {
		liar.address("eth0", forged+"/32")
		say(liar.place, forged, "forged as "+forged)
	}
	// Nor from outside.
	l.client.address("lo", "10.0.1.88/32")
	l.client.route("10.0.0.0/16", "eth0", n.address(0).String(), "")
	n.host.route("10.0.0.0/16", scheme.HostLink, scheme.RouterIP.String(), "")
	n.host.set("ip_forward", "1")
	n.host.set("conf/all/rp_filter", "0")
	say(l.client, "10.0.1.88", "forged from outside")

	say(honest.place, honest.addresses[0].String(), "true")
	word := make([]byte, 100)
	require.NoError(t, packets.SetReadDeadline(time.Now().Add(patience)))
	size, _, err := packets.ReadFrom(word)
	require.NoError(t, err)
	require.Equal(t, "true", string(word[:size]))
}

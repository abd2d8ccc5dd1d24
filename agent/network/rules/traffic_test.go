package rules

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// patience is how long an answer may take.
const patience = 10 * time.Second

// serve answers TCP connections and UDP packets with who it is, and whom it sees.
func (p place) serve(name, at string) {
	p.t.Helper()
	var listener net.Listener
	inside(p.t, p.namespace, func() (err error) {
		listener, err = net.Listen("tcp4", at)
		return err
	})
	p.t.Cleanup(func() { listener.Close() })
	packets := p.listen(at)
	say := func(client net.Addr) string {
		return name + " " + netip.MustParseAddrPort(client.String()).Addr().String()
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, say(conn.RemoteAddr()))
			conn.Close()
		}
	}()
	go func() {
		buffer := make([]byte, 100)
		for {
			_, client, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			packets.WriteTo([]byte(say(client)), client)
		}
	}()
}

// listen receives UDP packets.
func (p place) listen(at string) net.PacketConn {
	p.t.Helper()
	var packets net.PacketConn
	inside(p.t, p.namespace, func() (err error) {
		packets, err = net.ListenPacket("udp4", at)
		return err
	})
	p.t.Cleanup(func() { packets.Close() })
	return packets
}

// ask connects and returns the answer: who it came from and whom that saw.
func (p place) ask(protocol, to string) (server, seen string, err error) {
	inside(p.t, p.namespace, func() error { // the socket is made here, and used anywhere
		server, seen, err = askHere(net.Dialer{Timeout: patience}, protocol, to)
		return nil
	})
	return server, seen, err
}

func askHere(dialer net.Dialer, protocol, to string) (server, seen string, err error) {
	conn, err := dialer.Dial(protocol+"4", to)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", "", err
	}
	if protocol == "udp" {
		if _, err := conn.Write([]byte("?")); err != nil {
			return "", "", err
		}
	}
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	server, seen, _ = strings.Cut(string(answer[:n]), " ")
	return server, seen, err
}

// reaches asks and expects an answer.
func (p place) reaches(to, server, seen string) {
	p.t.Helper()
	p.reachesAs(to, server, map[string]string{"tcp": seen, "udp": seen})
}

// reachesAs is reaches for what is not seen alike over TCP and UDP.
func (p place) reachesAs(to, server string, seen map[string]string) {
	p.t.Helper()
	for protocol, seen := range seen {
		s, c, err := p.ask(protocol, to)
		require.NoError(p.t, err, "%s to %s", protocol, to)
		require.Equal(p.t, server, s, "who answers %s at %s", protocol, to)
		require.Equal(p.t, seen, c, "whom %s sees over %s", server, protocol)
	}
}

// isRefused asks and expects to be told at once.
func (p place) isRefused(to string, reason error) {
	p.t.Helper()
	start := time.Now()
	_, _, err := p.ask("tcp", to)
	require.ErrorIs(p.t, err, reason, to)
	require.Less(p.t, time.Since(start), patience/2)
}

func at4(address netip.Addr, port int) string { return fmt.Sprintf("%s:%d", address, port) }

func TestServiceIsSharedEvenly(t *testing.T) {
	l := newLab(t, 2)
	one, two := l.nodes[0], l.nodes[1]
	asker := one.run(9, false, 0)
	backends := []*box{one.run(1, false, 0), one.run(2, false, 0), two.run(1, false, 0)}
	virtual := netip.MustParseAddr("10.0.200.1")
	for _, b := range backends {
		b.serve(b.name, ":80")
		one.state.Services[virtual] = append(one.state.Services[virtual], b.addresses[0])
	}
	one.apply()

	for _, protocol := range []string{"tcp", "udp"} {
		shares := make(map[string]int)
		inside(t, asker.namespace, func() error {
			for range 1000 {
				server, seen, err := askHere(net.Dialer{Timeout: patience}, protocol, at4(virtual, 80))
				if err != nil {
					return err
				}
				if seen != asker.addresses[0].String() {
					return fmt.Errorf("%s sees %s", server, seen)
				}
				shares[server]++
			}
			return nil
		})
		require.Len(t, shares, 3)
		for server, n := range shares {
			require.InDelta(t, 1000./3, n, 1000./3*0.05, "%s over %s", server, protocol)
		}
	}

	// A backend that left gets nothing any more.
	one.state.Services[virtual] = one.state.Services[virtual][:2]
	one.apply()
	for range 20 {
		server, _, err := asker.ask("tcp", at4(virtual, 80))
		require.NoError(t, err)
		require.NotEqual(t, backends[2].name, server)
	}
	// Nobody is there: said at once.
	delete(one.state.Services, virtual)
	one.apply()
	asker.isRefused(at4(virtual, 80), unix.EHOSTUNREACH)
}

func TestContainerReachesItselfThroughItsService(t *testing.T) {
	l := newLab(t, 1)
	n := l.nodes[0]
	b := n.run(1, false, 1, 0)
	b.serve(b.name, ":80")
	virtual := netip.MustParseAddr("10.0.200.1")
	n.state.Services[virtual] = b.addresses[1:]
	n.apply()
	b.reaches(at4(virtual, 80), b.name, virtual.String())
}

func TestNetworksAreKeptApart(t *testing.T) {
	l := newLab(t, 2)
	one, two := l.nodes[0], l.nodes[1]
	a, b := one.run(1, false, 0, 255), one.run(2, false, 1, 255)
	both, far := one.run(3, false, 0, 1), two.run(1, false, 0)
	for _, c := range []*box{a, b, both, far} {
		c.serve(c.name, ":80")
	}
	a.reaches(at4(far.addresses[0], 80), far.name, a.addresses[0].String())
	far.reaches(at4(a.addresses[0], 80), a.name, far.addresses[0].String())
	a.reaches(at4(both.addresses[0], 80), both.name, a.addresses[0].String())
	b.reaches(at4(both.addresses[1], 80), both.name, b.addresses[0].String())

	a.isRefused(at4(b.addresses[0], 80), unix.EHOSTUNREACH)
	b.isRefused(at4(a.addresses[0], 80), unix.EHOSTUNREACH)
	far.isRefused(at4(b.addresses[0], 80), unix.EHOSTUNREACH)
	a.isRefused(at4(b.addresses[1], 80), unix.EHOSTUNREACH) // ingress is no way round
	a.isRefused(at4(netip.MustParseAddr("10.0.1.77"), 80), unix.EHOSTUNREACH)

	// An address of a service is there for its own network only.
	virtual := netip.MustParseAddr("10.1.200.1")
	one.state.Services[virtual] = b.addresses[:1]
	one.apply()
	both.reaches(at4(virtual, 80), b.name, both.addresses[1].String())
	a.isRefused(at4(virtual, 80), unix.EHOSTUNREACH)
}

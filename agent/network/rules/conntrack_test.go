package rules

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

// A client that goes on sending from one port is stuck to a backend, until the
// connection is forgotten.
func TestClientsOfAGoneBackendGoToAnother(t *testing.T) {
	l := newLab(t, 1)
	n := l.nodes[0]
	asker, first, second := n.run(9, false, 0), n.run(1, false, 0), n.run(2, false, 0)
	first.serve(first.name, ":53")
	second.serve(second.name, ":53")
	virtual := netip.MustParseAddr("10.0.200.1")
	n.state.Services[virtual] = first.addresses
	n.apply()

	var conn net.Conn
	inside(t, asker.namespace, func() (err error) {
		conn, err = net.Dial("udp4", at4(virtual, 53))
		return err
	})
	defer conn.Close()
	answer := func() string {
		_, err := fmt.Fprint(conn, "?")
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		buffer := make([]byte, 100)
		size, err := conn.Read(buffer)
		require.NoError(t, err)
		who, _, _ := strings.Cut(string(buffer[:size]), " ")
		return who
	}
	require.Equal(t, first.name, answer())
	n.state.Services[virtual] = second.addresses
	n.apply()
	require.Equal(t, first.name, answer(), "an old connection stays where it is")

	all := func(addresses []netip.Addr) map[netip.Addr]Forgotten {
		return map[netip.Addr]Forgotten{addresses[0]: All}
	}
	flushed, err := FlushConntrack(int(n.router.namespace), all(second.addresses))
	require.NoError(t, err)
	require.Zero(t, flushed)
	require.Equal(t, first.name, answer())
	flushed, err = FlushConntrack(int(n.router.namespace), map[netip.Addr]Forgotten{first.addresses[0]: Connectionless})
	require.NoError(t, err)
	require.Equal(t, 1, flushed)
	require.Equal(t, second.name, answer())
}

// What a leaving backend says last, be it an answer or that it is gone, reaches the
// client of a connection that it still had.
func TestATCPConnectionToALeavingBackendIsKeptUntilItIsGone(t *testing.T) {
	l := newLab(t, 1)
	n := l.nodes[0]
	asker, leaving := n.run(9, false, 0), n.run(1, false, 0)
	virtual := netip.MustParseAddr("10.0.200.1")
	n.state.Services[virtual] = leaving.addresses
	n.apply()
	var listener net.Listener
	inside(t, leaving.namespace, func() (err error) {
		listener, err = net.Listen("tcp4", ":80")
		return err
	})
	defer listener.Close()
	var client net.Conn
	inside(t, asker.namespace, func() (err error) {
		client, err = net.DialTimeout("tcp4", at4(virtual, 80), patience)
		return err
	})
	defer client.Close()
	server, err := listener.Accept()
	require.NoError(t, err)
	defer server.Close()

	delete(n.state.Services, virtual)
	n.apply()
	_, err = FlushConntrack(int(n.router.namespace), map[netip.Addr]Forgotten{leaving.addresses[0]: Connectionless})
	require.NoError(t, err)
	_, err = fmt.Fprint(server, "late")
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(patience)))
	buffer := make([]byte, 4)
	_, err = io.ReadFull(client, buffer)
	require.NoError(t, err)
	flushed, err := FlushConntrack(int(n.router.namespace), map[netip.Addr]Forgotten{leaving.addresses[0]: All})
	require.NoError(t, err)
	require.Equal(t, 1, flushed)
}

// A client may use the port of a connection that ended again at any time: the new
// connection goes on, though the old one was to be forgotten just then.
func TestAConnectionThatTakesAnEndedOnesPlaceIsNotForgotten(t *testing.T) {
	l := newLab(t, 1)
	n := l.nodes[0]
	asker, gone, next := n.run(9, false, 0), n.run(1, false, 0), n.run(2, false, 0)
	virtual := netip.MustParseAddr("10.0.200.1")
	connect := func(port int, to *box, accepted <-chan net.Conn) (client, server net.Conn) {
		t.Helper()
		n.state.Services[virtual] = to.addresses
		n.apply()
		from := &net.TCPAddr{IP: asker.addresses[0].AsSlice(), Port: port}
		inside(t, asker.namespace, func() (err error) {
			client, err = (&net.Dialer{Timeout: patience, LocalAddr: from}).Dial("tcp4", at4(virtual, 80))
			return err
		})
		return client, <-accepted
	}
	first, second := gone.accept(":80"), next.accept(":80")
	for port := 40000; port < 40005; port++ { // the kernel does not take the same memory every time
		client, server := connect(port, gone, first)
		require.NoError(t, server.Close())
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, client.Close())

		_, err = flush(int(n.router.namespace), &whenListed{
			which: answeredBy{gone.addresses[0]: All},
			then:  func() { client, server = connect(port, next, second) },
		})
		require.NoError(t, err)
		_, err = fmt.Fprint(server, "late")
		require.NoError(t, err)
		require.NoError(t, client.SetReadDeadline(time.Now().Add(patience)))
		_, err = io.ReadFull(client, make([]byte, 4))
		require.NoError(t, err)
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
	}
}

// whenListed does something once, when the kernel has listed the connections and none
// was deleted.
type whenListed struct {
	which netlink.CustomConntrackFilter
	then  func()
}

func (w *whenListed) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if w.then != nil {
		w.then()
		w.then = nil
	}
	return w.which.MatchConntrackFlow(flow)
}

// accept accepts connections.
func (p place) accept(at string) <-chan net.Conn {
	p.t.Helper()
	var listener net.Listener
	inside(p.t, p.namespace, func() (err error) {
		listener, err = net.Listen("tcp4", at)
		return err
	})
	p.t.Cleanup(func() { listener.Close() })
	accepted := make(chan net.Conn, 10)
	go func() {
		defer close(accepted)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	return accepted
}

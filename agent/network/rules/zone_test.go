package rules

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// connectFrom begins a connection from a port that may have others.
func (p place) connectFrom(local netip.AddrPort, to string) (client net.Conn) {
	p.t.Helper()
	dialer := net.Dialer{
		Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(local),
		Control: func(_, _ string, socket syscall.RawConn) error {
			var set error
			err := socket.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
			return errors.Join(err, set)
		},
	}
	inside(p.t, p.namespace, func() (err error) {
		client, err = dialer.DialContext(p.t.Context(), "tcp4", to)
		return err
	})
	return client
}

var clientPort = netip.MustParseAddrPort("10.9.0.100:40000")

// A container tells connections apart that a client began from one port, each through
// another node.
func TestAClientAsksSeveralNodesFromOnePort(t *testing.T) {
	l := newLab(t, 3)
	backend := l.nodes[1].run(1, false, 0, 255)
	accepted := backend.accept(":80")
	l.publish(8010, Published{Backends: backends(80, backend)})
	var clients, servers []net.Conn
	seen := make(map[netip.AddrPort]bool)
	for _, n := range l.nodes {
		client := l.client.connectFrom(clientPort, at4(n.address(0), 8010))
		server := <-accepted
		as := netip.MustParseAddrPort(server.RemoteAddr().String())
		require.Equal(t, clientPort.Addr(), as.Addr())
		if len(seen) == 0 {
			require.Equal(t, clientPort, as, "a port stays where nobody else has it")
		}
		require.False(t, seen[as], "two connections from %s", as)
		seen[as] = true
		clients, servers = append(clients, client), append(servers, server)
	}
	for i := range clients {
		word := fmt.Sprint("to ", i)
		_, err := fmt.Fprint(servers[i], word)
		require.NoError(t, err)
		answer := make([]byte, len(word))
		require.NoError(t, clients[i].SetReadDeadline(time.Now().Add(patience)))
		_, err = io.ReadFull(clients[i], answer)
		require.NoError(t, err)
		require.Equal(t, word, string(answer))
		require.NoError(t, clients[i].Close())
		require.NoError(t, servers[i].Close())
	}
}

// The same over UDP, whose clients like to ask everybody from one socket.
func TestAnAnswerComesFromTheNodeThatWasAsked(t *testing.T) {
	l := newLab(t, 3)
	backend := l.nodes[1].run(1, false, 0, 255)
	l.publish(8010, Published{Backends: backends(80, backend)})
	server, client := backend.listen(":80"), l.client.listen(clientPort.String())
	asked := make(map[string]net.Addr) // by whom the server saw
	for _, n := range l.nodes {
		node := net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.address(0), 8010))
		_, err := client.WriteTo([]byte("?"), node)
		require.NoError(t, err)
		require.NoError(t, server.SetReadDeadline(time.Now().Add(patience)))
		_, from, err := server.ReadFrom(make([]byte, 1))
		require.NoError(t, err)
		require.NotContains(t, asked, from.String())
		asked[from.String()] = node
	}
	for from, node := range asked {
		_, err := server.WriteTo([]byte("!"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)))
		require.NoError(t, err)
		require.NoError(t, client.SetReadDeadline(time.Now().Add(patience)))
		_, answered, err := client.ReadFrom(make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, node.String(), answered.String())
	}
	flushed, err := FlushConntrack(int(l.nodes[1].router.namespace), map[netip.Addr]Forgotten{backend.addresses[1]: Connectionless})
	require.NoError(t, err)
	require.Equal(t, len(l.nodes), flushed, "all of them are found by their node")
}

// A client that uses a port again, once its connection has ended, meets in the
// container what it knows itself: so it is let in at once (RFC 6191), though the
// container is in TIME-WAIT and the client has been to another one meanwhile.
func TestAConnectionKeepsItsPortWhenThatIsUsedAgain(t *testing.T) {
	l := newLab(t, 2)
	one, two := l.nodes[0], l.nodes[1]
	here, there := one.run(1, false, 255), two.run(1, false, 255)
	atHere, atThere := here.accept(":80"), there.accept(":80")
	for round := range 10 {
		for _, to := range []struct {
			box      *box
			accepted <-chan net.Conn
		}{{here, atHere}, {there, atThere}} {
			l.publish(8010, Published{Backends: backends(80, to.box)})
			client := l.client.connectFrom(clientPort, at4(one.address(0), 8010))
			server := <-to.accepted
			require.Equal(t, clientPort.String(), server.RemoteAddr().String(), "round %d, %s", round, to.box.name)
			require.NoError(t, server.Close())
			_, err := client.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, client.Close())
		}
	}
}

package rules

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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

	flushed, err := FlushConntrack(int(n.router.namespace), second.addresses)
	require.NoError(t, err)
	require.Zero(t, flushed)
	require.Equal(t, first.name, answer())
	flushed, err = FlushConntrack(int(n.router.namespace), first.addresses)
	require.NoError(t, err)
	require.Equal(t, 1, flushed)
	require.Equal(t, second.name, answer())
}

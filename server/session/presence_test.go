package session

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire/tcp"
)

func TestASilentNodeIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		a := m.connect("n1")
		require.Equal(t, api.NodeReady, m.node("n1").State)
		require.Equal(t, netip.MustParseAddr("10.0.0.9"), m.node("n1").Info.Address)
		a.silence()
		time.Sleep(api.DefaultNodeTimeout - time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("n1").State)
		require.Contains(t, m.node("n1").Message, "silent")
		require.True(t, a.isCut())
		a.up.Close()

		back := m.connect("n1")
		defer back.hangUp()
		require.Equal(t, api.NodeReady, m.node("n1").State)
		require.Empty(t, m.node("n1").Message)
	})
}

func TestAnAgentThatComesBackInTimeIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		a := m.connect("n1")
		since := m.node("n1").Since
		a.hangUp()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
		b := m.connect("n1")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
		require.Equal(t, since, m.node("n1").Since)

		b.hangUp()
		time.Sleep(api.DefaultNodeTimeout + time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("n1").State)
		require.Contains(t, m.node("n1").Message, "closed")
	})
}

func TestAManagersRestartIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, "n1", "n2")
		m := newManager(t, s)
		a, b := m.connect("n1"), m.connect("n2")
		m.stop()
		synctest.Wait() // the ends come to the nodes
		require.True(t, a.isCut())
		require.True(t, b.isCut())
		time.Sleep(time.Hour)
		m = newManager(t, s)
		defer m.stop()
		time.Sleep(api.DefaultNodeTimeout)
		require.Equal(t, api.NodeReady, m.node("n1").State)
		a = m.connect("n1")
		defer a.hangUp()
		time.Sleep(comeBack + api.DefaultNodeTimeout)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
		require.Equal(t, api.NodeDown, m.node("n2").State, "it did not come back")
	})
}

// pair is a connection of the kernel's, and its node's end.
func pair(t *testing.T) (accepted, node net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	node, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	accepted, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { accepted.Close() })
	return accepted, node
}

// A node whose last session ended before it was written is lost like any other.
func TestANodeThatGaveUpItsLastSessionIsLost(t *testing.T) {
	accepted, node := pair(t)
	conn := tcp.New(accepted)
	require.NoError(t, node.Close())
	require.Eventually(t, conn.Closed, time.Minute, time.Millisecond)
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		first := m.connect("n1")
		defer first.hangUp()
		last := m.connectOn(conn, "n1", api.NewID())
		defer last.hangUp()
		require.Equal(t, first.id, m.node("n1").Session)
		require.Equal(t, api.NodeReady, m.node("n1").State)
		time.Sleep(3 * api.DefaultNodeTimeout)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("n1").State)
	})
}

// A database that hangs must not let a session begin that its node has given up: it may
// have another one by then.
func TestASessionThatItsNodeGaveUpDoesNotBegin(t *testing.T) {
	accepted, node := pair(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &session{node: "n1", id: "old", conn: tcp.New(accepted), cancel: cancel}
	arrive := arrived(ctx, s, api.NodeInfo{}, "manager")
	newer := &api.NodeStatus{Meta: api.Meta{ID: "n1"}, State: api.NodeReady, Session: "new", Manager: "another"}

	require.Equal(t, "old", arrive(newer, time.Now()).Session)
	require.NoError(t, node.Close())
	require.Eventually(t, s.conn.Closed, time.Minute, time.Millisecond)
	require.Nil(t, arrive(newer, time.Now()))
	require.ErrorIs(t, context.Cause(ctx), errHungUp)
}

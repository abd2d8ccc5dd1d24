package session

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
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

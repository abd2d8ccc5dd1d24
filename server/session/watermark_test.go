package session

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

// newest returns the newest revision that the node was told since the last call, and
// the newest one that it was told all have acted on.
func (a *agent) newest() (revision, settled int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, each := range a.messages {
		revision, settled = max(revision, each.Revision), max(settled, each.Settled)
	}
	a.messages = nil
	return revision, settled
}

// obey acts on all that the node was told.
func (a *agent) obey(m *manager) {
	revision, _ := a.newest()
	if revision > 0 {
		a.send(wire.Up{Applied: revision})
	}
	m.settle()
}

// twoOnANetwork is a manager with two nodes that have a backend each, and one that
// has nothing to do with them.
func twoOnANetwork(t *testing.T, config func(*Config)) (m *manager, a, b, c *agent) {
	s := newStore(t, "n3")
	put(t, s, node("n1", 1), node("n2", 2), overlay("front"))
	put(t, s, connected("web", nil, "front")...)
	put(t, s, taskOf("t1", "web", "n1"), reached("t1", "front", "10.1.0.17"), taskOf("t2", "web", "n2"), reached("t2", "front", "10.1.0.33"))
	of := Config{Store: s, Node: "manager"}
	if config != nil {
		config(&of)
	}
	m = newManagerOf(t, of)
	a, b, c = m.connect("n1"), m.connect("n2"), m.connect("n3")
	for range 2 { // each hears of the others' arrival
		for _, each := range []*agent{a, b, c} {
			each.obey(m)
		}
	}
	return m, a, b, c
}

func (m *manager) withdraw(task, node string) {
	leaving := taskOf(task, "web", node)
	leaving.Desired = api.DesiredShutdown
	put(m.t, m.store, leaving)
	m.settle()
}

func TestSettledIsWhatEveryNodeHasActedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, c := twoOnANetwork(t, nil)
		defer m.stop()
		defer a.hangUp()
		defer b.hangUp()
		defer c.hangUp()
		m.withdraw("t1", "n1")
		told, settled := a.newest()
		require.NotZero(t, told)
		require.Zero(t, settled)
		a.send(wire.Up{Applied: told})
		m.settle()
		time.Sleep(30 * time.Second)
		_, settled = a.newest()
		require.Zero(t, settled, "n2 may still send connections to it")
		other, _ := c.newest()
		require.Zero(t, other, "it is not concerned, and holds nothing back")
		b.obey(m)
		_, settled = a.newest()
		require.GreaterOrEqual(t, settled, told)
		time.Sleep(time.Minute)
		_, again := a.newest()
		require.Zero(t, again, "it was told")
	})
}

func TestANodeThatIsGoneHoldsNothingBackForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, c := twoOnANetwork(t, nil)
		defer m.stop()
		defer a.hangUp()
		defer c.hangUp()
		b.hangUp()
		m.withdraw("t1", "n1")
		told, _ := a.newest()
		a.send(wire.Up{Applied: told})
		time.Sleep(HoldLimit - 5*time.Second)
		_, settled := a.newest()
		require.Zero(t, settled, "also when the node is written off: its containers may run")
		time.Sleep(10 * time.Second)
		_, settled = a.newest()
		require.GreaterOrEqual(t, settled, told)
	})
}

func TestANodeThatIsBackWithAnotherManagerHoldsNothingBackHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, c := twoOnANetwork(t, nil)
		defer m.stop()
		defer a.hangUp()
		defer c.hangUp()
		b.hangUp()
		time.Sleep(10 * time.Second)
		status := *store.Get[api.NodeStatus](m.store.Snapshot(), "n2")
		require.Equal(t, api.NodeDown, status.State)
		for range 3 {
			a.obey(m)
			c.obey(m)
		}
		m.withdraw("t1", "n1")
		told, _ := a.newest()
		a.send(wire.Up{Applied: told})
		m.settle()
		status.State, status.Manager, status.Session = api.NodeReady, "another", "another"
		put(t, m.store, &status)
		var settled int64
		for range 3 {
			time.Sleep(time.Second)
			revision, all := a.newest()
			settled = max(settled, all)
			a.send(wire.Up{Applied: revision})
			c.obey(m)
		}
		require.GreaterOrEqual(t, settled, told)
	})
}

func TestANodeThatIsBackHoldsBackUntilItHasActed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, c := twoOnANetwork(t, nil)
		defer m.stop()
		defer a.hangUp()
		defer c.hangUp()
		b.hangUp()
		m.withdraw("t1", "n1")
		told, _ := a.newest()
		a.send(wire.Up{Applied: told})
		time.Sleep(time.Second)
		b = m.connect("n2")
		defer b.hangUp()
		time.Sleep(time.Second)
		_, settled := a.newest()
		require.Zero(t, settled, "it may go by what it knew before")
		b.obey(m)
		time.Sleep(time.Second)
		_, settled = a.newest()
		require.GreaterOrEqual(t, settled, told)
	})
}

func TestANodeThatDoesNotActHoldsNothingBackForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, c := twoOnANetwork(t, nil)
		defer m.stop()
		defer a.hangUp()
		defer b.hangUp()
		defer c.hangUp()
		m.withdraw("t1", "n1")
		told, _ := a.newest()
		a.send(wire.Up{Applied: told})
		time.Sleep(HoldLimit + 2*time.Second)
		_, settled := a.newest()
		require.GreaterOrEqual(t, settled, told)
	})
}

func TestOtherManagersNodesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var elsewhere atomic.Int64
		elsewhere.Store(everything)
		m, a, b, c := twoOnANetwork(t, func(config *Config) { config.Elsewhere = elsewhere.Load })
		defer m.stop()
		defer a.hangUp()
		defer b.hangUp()
		defer c.hangUp()
		before := m.d.Floor()
		elsewhere.Store(before)
		m.withdraw("t1", "n1")
		require.Equal(t, before, m.d.Floor(), "nobody has acted on it yet")
		told, _ := a.newest()
		a.send(wire.Up{Applied: told})
		b.obey(m)
		require.GreaterOrEqual(t, m.d.Floor(), told)
		_, settled := a.newest()
		require.Zero(t, settled)
		elsewhere.Store(told)
		time.Sleep(2 * time.Second)
		_, settled = a.newest()
		require.Equal(t, told, settled)
	})
}

func TestAManagerThatHasJustStartedKnowsNothingOfItsNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, c := twoOnANetwork(t, nil)
		defer c.hangUp()
		m.stop()
		a.hangUp()
		b.hangUp()
		m = newManager(t, m.store)
		defer m.stop()
		a = m.connect("n1")
		defer a.hangUp()
		a.obey(m)
		require.Zero(t, m.d.Floor(), "what n2 goes by, who knows")
		b = m.connect("n2")
		defer b.hangUp()
		b.obey(m)
		c2 := m.connect("n3")
		defer c2.hangUp()
		c2.obey(m)
		a.obey(m)
		require.NotZero(t, m.d.Floor())
	})
}

func TestDebts(t *testing.T) {
	now := time.Now()
	var l debts
	require.Equal(t, int64(everything), l.floor(now))
	l.note(10, 12, now)
	l.note(12, 15, now)
	require.Equal(t, int64(10), l.floor(now))
	l.send(15)
	l.sent(15)
	l.note(15, 20, now)
	require.Equal(t, int64(10), l.floor(now))
	l.acted(14)
	require.Equal(t, int64(10), l.floor(now), "an older message")
	l.acted(15)
	require.Equal(t, int64(15), l.floor(now), "what came after is still to do")
	require.False(t, l.settle(14))
	require.True(t, l.settle(17))
	require.False(t, l.settle(18), "nothing newer was sent")
	l.send(20)
	l.spare()
	require.Equal(t, int64(everything), l.floor(now), "there was nothing to do after all")
	l.note(20, 21, now)
	l.send(21)
	l.sent(21)
	l.note(21, 30, now)
	l.send(30)
	l.sent(30)
	require.True(t, l.settle(25))
	require.False(t, l.settle(25))
	require.True(t, l.settle(30))
	require.Equal(t, int64(20), l.floor(now))
	require.Equal(t, int64(everything), l.floor(now.Add(HoldLimit+1)))
}

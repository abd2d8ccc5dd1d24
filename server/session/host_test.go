package session

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/hosts"
)

// world is which hosts answer.
type world struct {
	mu     sync.Mutex
	silent map[netip.Addr]bool
	asked  map[netip.Addr][]time.Time
}

func newWorld() *world {
	return &world{silent: make(map[netip.Addr]bool), asked: make(map[netip.Addr][]time.Time)}
}

func (w *world) ask(ctx context.Context, host netip.Addr) error {
	w.mu.Lock()
	silent := w.silent[host]
	w.asked[host] = append(w.asked[host], time.Now())
	w.mu.Unlock()
	if silent {
		<-ctx.Done()
		return hosts.ErrSilent
	}
	return nil
}

func (w *world) silence(silent bool, names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		w.silent[at(name)] = silent
	}
}

// questions are when a node's host was asked.
func (w *world) questions(name string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[at(name)]
}

// at is where n1, n2, … are.
func at(name string) netip.Addr {
	var n byte
	if _, err := fmt.Sscanf(name, "n%d", &n); err != nil {
		panic(err)
	}
	return netip.AddrFrom4([4]byte{10, 0, 0, n})
}

func (m *manager) connectAt(name string) *agent {
	m.from = at(name)
	return m.connect(name)
}

// familiar is how long it takes until a host is known to answer.
const familiar = askAfter + time.Second

func TestANodeWhoseHostIsGoneIsNotWaitedFor(t *testing.T) {
	const soon, whole = 1100 * time.Millisecond, api.DefaultNodeTimeout + 300*time.Millisecond
	gone := func(m *manager, w *world, a *agent) {
		w.silence(true, "n1")
		a.hangUp()
	}
	for _, c := range []struct {
		name     string
		firewall []string // whose hosts never answer
		end      func(m *manager, w *world, a *agent)
		down     time.Duration
		why      string
	}{
		{"its host is gone", nil, gone, soon, "its connection closed, and its host does not answer any more"},
		{"its host is gone a moment later", nil, func(m *manager, w *world, a *agent) {
			a.hangUp()
			time.Sleep(200 * time.Millisecond)
			w.silence(true, "n1")
		}, soon, "its connection closed, and its host does not answer any more"},
		{"its host answers", nil, func(_ *manager, _ *world, a *agent) { a.hangUp() }, whole, "its connection closed"},
		{"its host never answered", []string{"n1"}, gone, whole, "its connection closed"},
		{"no other host answers", []string{"n2"}, gone, whole, "its connection closed"},
		{"this manager is cut off from all", nil, func(m *manager, w *world, a *agent) {
			w.silence(true, "n2")
			gone(m, w, a)
		}, whole, "its connection closed"},
		{"it said that it goes", nil, func(m *manager, w *world, a *agent) {
			a.send(wire.Up{Leaving: true})
			gone(m, w, a)
		}, whole, "its orc process was stopped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.silence(true, c.firewall...)
				m := newManagerOf(t, Config{Store: newStore(t, "n1", "n2"), Node: "manager", Ask: w.ask})
				defer m.stop()
				a, b := m.connectAt("n1"), m.connectAt("n2")
				defer b.hangUp()
				time.Sleep(familiar)
				c.end(m, w, a)
				time.Sleep(c.down - 200*time.Millisecond)
				synctest.Wait()
				require.Equal(t, api.NodeReady, m.node("n1").State)
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				require.Equal(t, api.NodeDown, m.node("n1").State)
				require.Equal(t, c.why, m.node("n1").Message)
				require.Equal(t, api.NodeReady, m.node("n2").State)
			})
		})
	}
}

func TestAManagerIsAWitness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := newStore(t, "n1")
		put(t, s, &api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager, API: "10.0.0.2:6720"},
			&api.Node{Meta: api.Meta{ID: "manager"}, Name: "m1", Role: api.RoleManager, API: "10.0.0.3:6720"})
		m := newManagerOf(t, Config{Store: s, Node: "manager", Ask: w.ask})
		defer m.stop()
		a := m.connectAt("n1")
		time.Sleep(familiar)
		w.silence(true, "n1")
		a.hangUp()
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("n1").State)
		require.NotEmpty(t, w.questions("n2"))
		require.Empty(t, w.questions("n3"), "it is this manager's own host")
	})
}

func TestANodeThatIsBackIsNotLostThoughItsHostWasSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := newManagerOf(t, Config{Store: newStore(t, "n1", "n2"), Node: "manager", Ask: w.ask})
		defer m.stop()
		a, b := m.connectAt("n1"), m.connectAt("n2")
		defer b.hangUp()
		time.Sleep(familiar)
		for range 10 {
			w.silence(true, "n1")
			a.hangUp()
			time.Sleep(900 * time.Millisecond)
			a = m.connectAt("n1")
			w.silence(false, "n1")
			time.Sleep(100 * time.Millisecond)
		}
		defer a.hangUp()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
		require.Zero(t, m.d.vigils)
	})
}

func TestAManagerThatCannotWriteLosesNoNodeToItsHostsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var connected atomic.Bool
		connected.Store(true)
		m := newManagerOf(t, Config{Store: newStore(t, "n1", "n2"), Node: "manager", Ask: w.ask, Fit: func() error {
			if connected.Load() {
				return nil
			}
			return api.Errorf(api.CodeUnavailable, "it is away")
		}})
		defer m.stop()
		a, b := m.connectAt("n1"), m.connectAt("n2")
		defer b.hangUp()
		time.Sleep(familiar)
		w.silence(true, "n1")
		a.hangUp()
		time.Sleep(500 * time.Millisecond)
		connected.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
		w.silence(false, "n1")
		connected.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
	})
}

func TestANodeThatWasSentAwayIsExpectedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := newManagerOf(t, Config{Store: newStore(t, "n1", "n2"), Node: "manager", Ask: w.ask})
		defer m.stop()
		a, b := m.connectAt("n1"), m.connectAt("n2")
		defer a.hangUp()
		time.Sleep(familiar)
		put(t, m.store, &api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Settings: api.Settings{NodeTimeout: api.Duration(time.Minute)}})
		w.silence(true, "n1")
		m.settle()
		require.True(t, a.isCut())
		b.hangUp()
		b = m.connectAt("n2")
		defer b.hangUp()
		time.Sleep(50 * time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State, "it was not the one that closed the connection")
	})
}

// TestALongerTimeoutIsMorePatience: a third of it.
func TestALongerTimeoutIsMorePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := newStore(t, "n1", "n2")
		put(t, s, &api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Settings: api.Settings{NodeTimeout: api.Duration(time.Minute)}})
		m := newManagerOf(t, Config{Store: s, Node: "manager", Ask: w.ask})
		defer m.stop()
		a, b := m.connectAt("n1"), m.connectAt("n2")
		defer b.hangUp()
		time.Sleep(familiar)
		w.silence(true, "n1")
		a.hangUp()
		time.Sleep(19 * time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("n1").State)
	})
}

func TestHostsAreAskedOneAfterTheOtherAndAgainNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := newManagerOf(t, Config{Store: newStore(t), Node: "n100", Ask: w.ask})
		defer m.stop()
		began := time.Now()
		for i := range 100 {
			name := fmt.Sprintf("n%d", i+1)
			require.NoError(t, m.d.claim(newSession(name, &wire.Hello{Session: name}, at(name), func(error) {}, m.d)))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i := range 99 {
			asked := w.questions(fmt.Sprintf("n%d", i+1))
			require.Len(t, asked, 1)
			require.Equal(t, askAfter+time.Duration(i)*askApart, asked[0].Sub(began))
		}
		require.Empty(t, w.questions("n100"), "this manager's own node")
		time.Sleep(askAgain)
		synctest.Wait()
		for i := range 99 {
			require.Len(t, w.questions(fmt.Sprintf("n%d", i+1)), 2)
		}
	})
}

func TestANewSessionFromElsewhereIsAnotherHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := newManagerOf(t, Config{Store: newStore(t, "n1", "n2"), Node: "manager", Ask: w.ask})
		defer m.stop()
		a, b := m.connectAt("n1"), m.connectAt("n2")
		defer b.hangUp()
		time.Sleep(familiar)
		a.hangUp()
		a = m.connectAt("n1")
		require.True(t, m.d.nodes["n1"].host.answers.Load(), "as before")
		a.hangUp()
		m.from = at("n3")
		a = m.connect("n1")
		require.False(t, m.d.nodes["n1"].host.answers.Load(), "nobody has asked it")
		a.hangUp()
		w.silence(true, "n3")
		time.Sleep(api.DefaultNodeTimeout - 200*time.Millisecond)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
	})
}

func TestHostsThatAnswerAreWitnesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, "n1")
		put(t, s, &api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager, API: "[fd00::2]:6720"},
			&api.Node{Meta: api.Meta{ID: "m3"}, Name: "m3", Role: api.RoleManager, API: "a name:6720"},
			&api.Node{Meta: api.Meta{ID: "manager"}, Name: "m1", Role: api.RoleManager, API: "10.0.0.3:6720"})
		m := newManager(t, s)
		defer m.stop()
		m.d.mu.Lock()
		defer m.d.mu.Unlock()
		for _, name := range []string{"n1", "n2", "n3", "n4"} {
			m.d.nodes[name] = &presence{host: &host{address: at(name)}}
			m.d.nodes[name].host.answers.Store(name != "n4")
		}
		m.d.nodes["manager"] = m.d.nodes["n3"] // this manager's own
		delete(m.d.nodes, "n3")
		m.d.nodes["n5"] = &presence{} // had a session before this manager began
		require.Equal(t, "[10.0.0.2 fd00::2]", fmt.Sprint(m.d.witnesses(at("n1"))))
	})
}

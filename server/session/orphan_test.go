package session

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// lead lets the manager do what a leader does for the nodes of managers that are
// gone.
func (m *manager) lead(alive func(string) bool) (stop func()) { return m.leadAmong(alive, alive) }

// leadAmong tells managers that do their work from those that only answer.
func (m *manager) leadAmong(alive, answers func(string) bool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	leadership, err := m.store.Campaign(ctx, "manager")
	require.NoError(m.t, err)
	var leading sync.WaitGroup
	leading.Go(func() { _ = m.d.Orphans(ctx, leadership, alive, answers) }) // ends with ctx
	return func() {
		cancel()
		leading.Wait()
	}
}

func ready(node, manager string) *api.NodeStatus {
	return &api.NodeStatus{Meta: api.Meta{ID: node}, State: api.NodeReady, Session: "s-" + node, Manager: manager}
}

func TestTheNodesOfAManagerThatIsGoneHaveTimeToFindAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, "n1", "n2")
		m := newManager(t, s)
		defer m.stop()
		put(t, s, &api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager}, ready("m2", "m2"), ready("n1", "m2"), ready("n2", "m2"))
		var gone atomic.Bool
		defer m.lead(func(id string) bool { return id == "manager" || !gone.Load() })()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)

		gone.Store(true)
		time.Sleep(2 * orphanEvery)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("m2").State, "its own node went with it")
		require.Equal(t, api.NodeReady, m.node("n1").State)
		time.Sleep(api.DefaultNodeTimeout)
		a := m.connect("n1")
		defer a.hangUp()
		require.Equal(t, api.NodeReady, m.node("n2").State)

		time.Sleep(comeBack + time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State, "it found this one")
		require.Equal(t, api.NodeDown, m.node("n2").State)
		require.Contains(t, m.node("n2").Message, "manager that it was connected to")
	})
}

func TestAManagerThatComesBackAnswersForItsNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, "n1")
		m := newManager(t, s)
		defer m.stop()
		put(t, s, &api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager}, ready("n1", "m2"))
		var gone atomic.Bool
		defer m.lead(func(string) bool { return !gone.Load() })()
		for range 10 {
			gone.Store(true)
			time.Sleep(comeBack)
			gone.Store(false)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("n1").State)
	})
}

func TestAManagerThatReturnsIsBelievedByWhatItWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		put(t, s, &api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager}, ready("m2", "m2"))
		m := newManager(t, s)
		defer m.stop()
		var gone atomic.Bool
		defer m.lead(func(id string) bool { return !gone.Load() })()
		time.Sleep(time.Second)
		returned := ready("m2", "m2")
		returned.Session = "new"
		put(t, s, returned)
		gone.Store(true) // its answers are still on their way
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("m2").State)
		time.Sleep(api.DefaultNodeTimeout)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("m2").State, "they never came")
	})
}

func TestANodeThatWasWrittenOffThoughItIsHereBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		a := m.connect("n1")
		defer func() { a.hangUp() }()
		for _, session := range []string{m.node("n1").Session, "an older one"} {
			down := *m.node("n1")
			down.State, down.Session = api.NodeDown, session
			put(t, m.store, &down)
			m.settle()
			require.True(t, a.isCut())
			a.hangUp()
			a = m.connect("n1")
			require.Equal(t, api.NodeReady, m.node("n1").State)
			require.False(t, a.isCut())
		}
	})
}

func TestAManagerThatAnswersHasNotLostItsNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, "n1")
		m := newManager(t, s)
		defer m.stop()
		put(t, s, &api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager}, ready("m2", "m2"), ready("n1", "m2"))
		none, every := func(string) bool { return false }, func(string) bool { return true }
		defer m.leadAmong(none, every)()
		time.Sleep(api.DefaultNodeTimeout)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("m2").State)
		time.Sleep(comeBack + time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("n1").State, "what nodes tell it goes nowhere")
	})
}

func TestAManagerThatWasDemotedLosesNoNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, "m2")
		m := newManager(t, s)
		defer m.stop()
		put(t, s, ready("m2", "m2"))
		defer m.lead(func(id string) bool { return id == "manager" })()
		time.Sleep(api.DefaultNodeTimeout)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("m2").State)
		a := m.connect("m2")
		defer a.hangUp()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, api.NodeReady, m.node("m2").State)
	})
}

func TestAManagerWithoutTheDatabaseSendsItsNodesAwayAndWritesNoneOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var connected atomic.Bool
		connected.Store(true)
		away := api.Errorf(api.CodeUnavailable, "it is away")
		fit := func() error {
			if connected.Load() {
				return nil
			}
			return away
		}
		s := newStore(t, "n1", "n2")
		m := newManagerOf(t, Config{Store: s, Node: "manager", Fit: fit})
		defer m.stop()
		a, b := m.connect("n1"), m.connect("n2")
		defer b.hangUp()
		a.hangUp() // lost, but who could say so

		connected.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, b.isCut(), "an election is over in a second")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.True(t, b.isCut())
		c := m.connect("n2")
		defer c.hangUp()
		require.True(t, c.isCut(), "it is refused")
		require.Equal(t, api.NodeReady, m.node("n1").State)

		connected.Store(true)
		time.Sleep(time.Second)
		d := m.connect("n2")
		defer d.hangUp()
		time.Sleep(comeBack + 2*api.DefaultNodeTimeout)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("n1").State, "it did not come back")
		require.Equal(t, api.NodeReady, m.node("n2").State)
	})
}

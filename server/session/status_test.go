package session

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

func TestStatusesOfItsOwnTasksAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		put(t, m.store, task("t1", "n1"), task("t2", "n2"))
		a := m.connect("n1")
		defer a.hangUp()

		lost := running("t1")
		lost.State = api.TaskLost
		a.send(wire.Up{Statuses: []api.TaskStatus{running("t1"), running("t2"), running("nonsense")}})
		m.settle()
		status := m.status("t1")
		require.NotNil(t, status)
		require.Equal(t, api.TaskRunning, status.State)
		require.Equal(t, "n1", status.Node)
		require.Nil(t, m.status("t2"), "not its task")
		require.Nil(t, m.status("nonsense"))

		before := m.store.Snapshot().Revision()
		a.send(wire.Up{Statuses: []api.TaskStatus{*status, lost}})
		m.settle()
		require.Equal(t, before, m.store.Snapshot().Revision(), "nothing new, nothing written")

		ended := running("t1")
		ended.State, ended.Message = api.TaskFailed, string(make([]byte, 100_000))
		a.send(wire.Up{Statuses: []api.TaskStatus{ended}})
		m.settle()
		require.Equal(t, api.TaskFailed, m.status("t1").State)
		require.Len(t, m.status("t1").Message, maxMessageText)
		a.send(wire.Up{Statuses: []api.TaskStatus{running("t1")}})
		m.settle()
		require.Equal(t, api.TaskFailed, m.status("t1").State, "an end is for good")
	})
}

// What a node says must not be stored in a form that nobody can read again.
func TestWhateverAStatusHoldsItCanBeReadAgain(t *testing.T) {
	letters, far := strings.Repeat("あ", maxMessageText), time.Unix(1<<40, 0)
	edge := time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -23*3600))
	status := api.TaskStatus{
		Meta: api.Meta{ID: "t1"}, Message: letters, Since: far, NextStart: edge,
		Attempts: []api.Attempt{{Container: "\xff" + letters, Error: "half a \xe3\x81", Started: far, Finished: edge}},
		Checks:   []api.CheckResult{{Output: letters, Started: far}},
	}
	kept := trimmed(status)
	require.Equal(t, letters[:maxMessageText/3*3], kept.Message)
	require.Equal(t, "half a ", kept.Attempts[0].Error)
	require.True(t, kept.Since.IsZero())
	value, err := store.Encode(&kept)
	require.NoError(t, err)
	again, err := store.Decode(api.KindTaskStatus, 0, value)
	require.NoError(t, err)
	require.Equal(t, &kept, again)
}

func TestWhatCannotBeReadAgainHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		put(t, m.store, task("t1", "n1"), task("t2", "n2"))
		bad, good := m.connect("n1"), m.connect("n2")
		defer bad.hangUp()
		defer good.hangUp()
		info := api.NodeInfo{Hostname: "half a \xe3\x81"}
		m.d.scribe.writeNode("n1", informed(m.d.nodes["n1"].session, info), nil)
		good.send(wire.Up{Statuses: []api.TaskStatus{running("t2")}})
		m.settle()
		require.Equal(t, api.TaskRunning, m.status("t2").State)
		require.NotEqual(t, info.Hostname, store.Get[api.NodeStatus](m.store.Snapshot(), "n1").Info.Hostname)
		bad.send(wire.Up{Statuses: []api.TaskStatus{running("t1")}})
		m.settle()
		require.Equal(t, api.TaskRunning, m.status("t1").State)
	})
}

func TestStatusesMoveForward(t *testing.T) {
	now := time.Now()
	at := func(state api.TaskState, restarts int, since time.Duration) *api.TaskStatus {
		return &api.TaskStatus{State: state, Restarts: restarts, Since: now.Add(since)}
	}
	for name, c := range map[string]struct {
		stored, reported *api.TaskStatus
		want             bool
	}{
		"the first":                        {nil, at(api.TaskRunning, 0, 0), true},
		"a restart":                        {at(api.TaskWaiting, 0, 0), at(api.TaskPreparing, 1, 1), true},
		"the same attempt":                 {at(api.TaskRunning, 1, 0), at(api.TaskStarting, 1, 1), true},
		"late news":                        {at(api.TaskRunning, 2, 0), at(api.TaskRunning, 1, -1), false},
		"an agent that lost its count":     {at(api.TaskRunning, 2, 0), at(api.TaskRunning, 0, 1), true},
		"an end again":                     {at(api.TaskComplete, 0, 0), at(api.TaskFailed, 0, 1), false},
		"what became of a lost one":        {at(api.TaskLost, 0, 0), at(api.TaskShutdown, 0, 1), true},
		"a lost one does not come to life": {at(api.TaskLost, 0, 0), at(api.TaskRunning, 0, 1), false},
	} {
		require.Equal(t, c.want, forward(c.stored, c.reported), name)
	}
}

func TestAnIdleClusterWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2", "n3"))
		defer m.stop()
		for _, node := range []string{"n1", "n2", "n3"} {
			a := m.connect(node)
			defer a.hangUp()
		}
		before := m.store.Snapshot().Revision()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, before, m.store.Snapshot().Revision())
		require.Equal(t, api.NodeReady, m.node("n3").State)
	})
}

func TestManyNodesShareATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const nodes = 50
		var ids []string
		for i := range nodes {
			ids = append(ids, fmt.Sprintf("n%02d", i))
		}
		m := newManager(t, newStore(t, ids...))
		defer m.stop()
		var agents []*agent
		for _, id := range ids {
			put(t, m.store, task("task-"+id, id))
			a := m.connect(id)
			defer a.hangUp()
			agents = append(agents, a)
		}
		before := m.store.Snapshot().Revision()
		for i, a := range agents {
			a.send(wire.Up{Statuses: []api.TaskStatus{running("task-" + ids[i])}})
		}
		m.settle()
		for _, id := range ids {
			require.NotNil(t, m.status("task-"+id), id)
		}
		require.Less(t, m.store.Snapshot().Revision()-before, int64(10))
	})
}

// TestANodeGivesItsTasksNoAddressesButItsOwn: all other nodes act on them.
func TestANodeGivesItsTasksNoAddressesButItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		put(t, s, node("n1", 1), node("n2", 2), overlay(api.IngressID), overlay("front"), overlay("back"),
			blockOf("front", "", "10.1.0.0/30"), blockOf("front", "n1", "10.1.0.16/28"), blockOf("front", "n2", "10.1.0.32/28"),
			blockOf(api.IngressID, "n1", "10.0.1.0/28"), blockOf("back", "n1", "10.2.0.16/28"))
		put(t, s, connected("web", nil, "front")...)
		put(t, s, taskOf("w1", "web", "n1"))
		m := newManager(t, s)
		defer m.stop()
		a := m.connect("n1")
		defer a.hangUp()
		for what, said := range map[string]map[string]string{
			"IPv6":                               {"front": "::1"},
			"IPv4 in IPv6":                       {"front": "::ffff:10.1.0.17"},
			"outside of the network":             {"front": "192.0.2.1"},
			"another node's":                     {"front": "10.1.0.33"},
			"a service's":                        {"front": "10.1.0.1"},
			"a network that it is not on":        {"back": "10.2.0.17"},
			"the ingress network, without ports": {api.IngressID: "10.0.1.3"},
			"no network":                         {"nonsense": "10.1.0.17"},
		} {
			status := *reached("w1", "front", "10.1.0.17")
			status.Since = time.Now()
			a.send(wire.Up{Statuses: []api.TaskStatus{status}})
			m.settle()
			require.Equal(t, status.Addresses, m.status("w1").Addresses, what)

			lie := *reached("w1", "front", "10.1.0.17")
			lie.Since, lie.Addresses = time.Now(), map[string]netip.Addr{}
			for network, address := range said {
				lie.Addresses[network] = netip.MustParseAddr(address)
			}
			a.send(wire.Up{Statuses: []api.TaskStatus{lie}})
			m.settle()
			require.Empty(t, m.status("w1").Addresses, what)
			require.Equal(t, api.TaskRunning, m.status("w1").State)
		}
		long := map[string]netip.Addr{strings.Repeat("x", 1<<20): netip.MustParseAddr("10.1.0.17")}
		require.Empty(t, trimmed(api.TaskStatus{Addresses: long}).Addresses, "it may wait in memory for the database")
	})
}

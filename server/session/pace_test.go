package session

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/api/wire/tcp"
	"github.com/orc-project/orc/store"
)

func TestHeartbeatsAreRarerInALargeCluster(t *testing.T) {
	for _, c := range []struct {
		nodes int
		want  pace
	}{
		{3, pace{beat: time.Second, timeout: 3 * time.Second}},
		{200, pace{beat: time.Second, timeout: 3 * time.Second, gap: 40 * time.Millisecond}},
		{1000, pace{beat: 2 * time.Second, timeout: 6 * time.Second, host: 3 * time.Second, gap: 200 * time.Millisecond}},
		{5000, pace{beat: 10 * time.Second, timeout: 30 * time.Second, host: 3 * time.Second, gap: time.Second}},
	} {
		b := store.NewBuilder(nil)
		for i := range c.nodes {
			b.Put(&api.NodeStatus{Meta: api.Meta{ID: fmt.Sprint(i)}})
			b.Put(&api.Node{Meta: api.Meta{ID: fmt.Sprint(i)}})
			b.Put(&api.Node{Meta: api.Meta{ID: fmt.Sprint("never came ", i)}})
		}
		require.Equal(t, c.want, paceOf(b.Snapshot(1)), "%d nodes", c.nodes)
	}
}

// TestAHostThatIsGoneIsLostBeforeItsHeartbeatIsMissed has a cluster so large that
// heartbeats are rare.
func TestAHostThatIsGoneIsLostBeforeItsHeartbeatIsMissed(t *testing.T) {
	for _, c := range []struct {
		name  string
		ended error
		lost  time.Duration
		why   string
	}{
		{"silent", syscall.ETIMEDOUT, time.Second, "its host was silent for 3s"},
		{"no way to it", syscall.EHOSTUNREACH, time.Second, "its host was silent for 3s"},
		{"its process ended", io.EOF, 4 * time.Second, "its connection closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var names []string
				for i := range 2000 {
					names = append(names, fmt.Sprintf("n%d", i))
				}
				s := newStore(t, names...)
				put(t, s, heard(names...)...)
				m := newManager(t, s)
				defer m.stop()
				conn := tcp.New(ending{c.ended})
				a := m.connectOn(conn, "n1", api.NewID())
				require.Equal(t, api.NodeReady, m.node("n1").State)
				_, err := conn.Read(nil)
				require.ErrorIs(t, err, c.ended)
				a.hangUp()
				time.Sleep(c.lost)
				synctest.Wait()
				require.Equal(t, api.NodeDown, m.node("n1").State)
				require.Equal(t, c.why, m.node("n1").Message)
			})
		})
	}
}

// heard are statuses of nodes that were here once.
func heard(nodes ...string) (statuses []api.Object) {
	for _, id := range nodes {
		statuses = append(statuses, &api.NodeStatus{Meta: api.Meta{ID: id}, State: api.NodeDown})
	}
	return statuses
}

// ending is a connection that has ended.
type ending struct{ err error }

func (e ending) Read([]byte) (int, error)       { return 0, e.err }
func (e ending) Write([]byte) (int, error)      { return 0, e.err }
func (ending) Close() error                     { return nil }
func (ending) LocalAddr() net.Addr              { return nil }
func (ending) RemoteAddr() net.Addr             { return nil }
func (ending) SetDeadline(time.Time) error      { return nil }
func (ending) SetReadDeadline(time.Time) error  { return nil }
func (ending) SetWriteDeadline(time.Time) error { return nil }

func TestAFewNodesMayAskForAManagerOftenAndManyMayNot(t *testing.T) {
	for nodes, want := range map[int]time.Duration{1: time.Second, 1000: time.Second, 1001: 2 * time.Second, 3000: 3 * time.Second, 10_000: 5 * time.Second} {
		b := store.NewBuilder(nil)
		for i := range nodes {
			b.Put(&api.NodeStatus{Meta: api.Meta{ID: fmt.Sprint(i)}})
			b.Put(&api.Node{Meta: api.Meta{ID: fmt.Sprint(i)}})
			b.Put(&api.Node{Meta: api.Meta{ID: fmt.Sprint("never came ", i)}})
		}
		require.Equal(t, want, retryOf(b.Snapshot(1)), nodes)
	}
}

func TestNodesHearOfTheClusterWhatConcernsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		a := m.connect("n1")
		defer a.hangUp()
		welcomes := func(objects ...api.Object) (welcomes []*wire.Welcome) {
			put(t, m.store, objects...)
			m.settle()
			for _, each := range a.received() {
				if each.Welcome != nil {
					welcomes = append(welcomes, each.Welcome)
				}
			}
			return welcomes
		}
		require.Len(t, welcomes(), 1)

		cluster := *store.Get[api.Cluster](m.store.Snapshot(), api.ClusterID)
		cluster.LastNumber, cluster.Name, cluster.Keys.Step = 7, "other", 1
		joined := cluster
		require.Empty(t, welcomes(&joined, &api.Node{Meta: api.Meta{ID: "n7"}, Name: "n7", Role: api.RoleWorker, Number: 7}), "a host joins")
		for name, change := range map[string]func(){
			"roots":  func() { cluster.Roots = []byte("others") },
			"issuer": func() { cluster.CA.Issuer = "other" },
			"port":   func() { cluster.Settings.DataPort = 4790 },
		} {
			change()
			next := cluster
			told := welcomes(&next)
			require.Len(t, told, 1, name)
			require.Equal(t, string(cluster.Roots), string(told[0].Roots))
			require.Equal(t, cluster.CA.Issuer, told[0].Issuer)
			require.Equal(t, cluster.Settings.Data(), told[0].DataPort)
		}

		var many []string
		for i := range 1500 {
			many = append(many, fmt.Sprint("many", i))
		}
		told := welcomes(heard(many...)...)
		require.Len(t, told, 1)
		require.Equal(t, 2*time.Second, told[0].Retry)
	})
}

package session

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/api/wire/tcp"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager is a Dispatcher that runs, on a database in memory.
type manager struct {
	t     *testing.T
	store *memory.Store
	d     *Dispatcher
	stop  func()
	// hello has the statuses that nodes begin with.
	hello []api.TaskStatus
	from  netip.Addr // where the nodes that connect next are; 10.0.0.9 if not valid
}

// lagging is a store that hears of what is written only when it is let.
type lagging struct {
	*memory.Store
	heard *store.Feed
}

func newLagging(s *memory.Store) *lagging { return &lagging{s, store.NewFeed(s.Snapshot())} }

func (l *lagging) Snapshot() *store.Snapshot { return l.heard.Snapshot() }

func (l *lagging) Watch() store.Watcher { return l.heard.Watch() }

func (l *lagging) WaitFor(ctx context.Context, revision int64) (*store.Snapshot, error) {
	return l.heard.WaitFor(ctx, revision)
}

func (l *lagging) hear() {
	l.heard.Publish(l.Store.Snapshot(), store.Diff(l.heard.Snapshot(), l.Store.Snapshot()))
}

func newStore(t *testing.T, nodes ...string) *memory.Store {
	s := memory.New()
	t.Cleanup(func() { s.Close() })
	objects := []api.Object{&api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1"}}
	for _, id := range nodes {
		objects = append(objects, &api.Node{Meta: api.Meta{ID: id}, Name: "name-" + id, Role: api.RoleWorker})
	}
	put(t, s, objects...)
	return s
}

func newManager(t *testing.T, s *memory.Store) *manager {
	return newManagerOf(t, Config{Store: s, Node: "manager"})
}

func newManagerOf(t *testing.T, config Config) *manager {
	ctx, cancel := context.WithCancel(context.Background())
	m := &manager{t: t, d: New(config, zap.NewNop())}
	switch s := config.Store.(type) {
	case *memory.Store:
		m.store = s
	case *lagging:
		m.store = s.Store
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.d.Run(ctx)
	}()
	m.stop = func() {
		cancel()
		<-ended
	}
	synctest.Wait()
	return m
}

func put(t *testing.T, s store.Store, objects ...api.Object) {
	t.Helper()
	tx := &store.Tx{}
	for _, object := range objects {
		tx.Set(object)
	}
	_, err := s.Commit(context.Background(), tx)
	require.NoError(t, err)
}

// agent is a node's end of a session.
type agent struct {
	t     *testing.T
	id    string
	up    *io.PipeWriter
	down  *io.PipeReader
	ended chan struct{} // serve has returned

	mu       sync.Mutex
	messages []wire.Down
	beats    []time.Time // when heartbeats came
	quiet    bool        // sends no heartbeats
}

func (m *manager) connect(node string) *agent { return m.connectAs(node, api.NewID()) }

func (m *manager) connectAs(node, session string) *agent {
	return m.connectOn(nil, node, session)
}

// connectOn is for a session that is on conn, if that is not nil.
func (m *manager) connectOn(conn net.Conn, node, session string) *agent {
	upR, upW := io.Pipe()
	downR, downW := io.Pipe()
	a := &agent{t: m.t, id: session, up: upW, down: downR, ended: make(chan struct{})}
	from := m.from
	if !from.IsValid() {
		from = netip.MustParseAddr("10.0.0.9")
	}
	go func() {
		defer close(a.ended)
		defer downW.Close()
		defer upR.Close()
		ctx, err := m.d.enter()
		if err != nil {
			return // it is refused
		}
		defer m.d.wg.Done()
		m.d.serve(tcp.WithConn(ctx, conn), node, from, upR, downW,
			func() { upR.CloseWithError(os.ErrDeadlineExceeded) })
	}()
	go func() {
		for {
			var message wire.Down
			if wire.Read(downR, &message) != nil {
				return
			}
			a.mu.Lock()
			if reflect.ValueOf(message).IsZero() {
				a.beats = append(a.beats, time.Now())
			}
			a.messages = append(a.messages, message)
			a.mu.Unlock()
		}
	}()
	a.send(wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: session, Info: api.NodeInfo{Hostname: node}}, Statuses: m.hello})
	go func() {
		for {
			select {
			case <-a.ended:
				return
			case <-time.After(time.Second):
				a.mu.Lock()
				quiet := a.quiet
				a.mu.Unlock()
				if !quiet {
					wire.Write(a.up, &wire.Up{})
				}
			}
		}
	}()
	m.settle()
	return a
}

// settle lets everything happen that takes no more than a moment.
func (m *manager) settle() {
	time.Sleep(50 * time.Millisecond) // of the bubble's time
	synctest.Wait()
}

func (a *agent) send(message wire.Up) {
	if err := wire.Write(a.up, &message); err != nil && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, os.ErrDeadlineExceeded) {
		a.t.Errorf("send: %v", err)
	}
}

// received returns what came since the last call, heartbeats apart.
func (a *agent) received() []wire.Down {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []wire.Down
	for _, each := range a.messages {
		if each.Welcome != nil || each.Full || each.Tasks != nil || each.Removed != nil || each.Open != nil || each.Error != nil || each.Specs != nil || each.Ended != nil {
			found = append(found, each)
		}
	}
	a.messages = nil
	return found
}

// heartbeats are when they came, so far.
func (a *agent) heartbeats() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.beats)
}

func (a *agent) silence() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.quiet = true
}

func (a *agent) hangUp() {
	a.up.Close()
	<-a.ended
}

func (a *agent) isCut() bool {
	select {
	case <-a.ended:
		return true
	default:
		return false
	}
}

func (m *manager) node(id string) *api.NodeStatus {
	return store.Get[api.NodeStatus](m.store.Snapshot(), id)
}

func (m *manager) status(task string) *api.TaskStatus {
	return store.Get[api.TaskStatus](m.store.Snapshot(), task)
}

func service(id string, revision int) []api.Object {
	return []api.Object{
		&api.Service{Meta: api.Meta{ID: id}, Name: "web", AppName: "shop"},
		&api.Revision{Meta: api.Meta{ID: api.RevisionID(id, revision)}, Service: id, Number: revision, Spec: api.ServiceSpec{
			Name: "web", Container: api.ContainerSpec{
				Image: "web:1", Secrets: []api.FileReference{{ID: "secret1", Version: 1}}, Configs: []api.FileReference{{ID: "config1", Version: 2}},
			},
		}},
		&api.Secret{Meta: api.Meta{ID: "secret1"}, Name: "s", Current: 1, Spec: api.FileSpec{Data: []byte("hush")}},
		&api.Secret{Meta: api.Meta{ID: "secret2"}, Name: "other", Current: 1, Spec: api.FileSpec{Data: []byte("not yours")}},
		&api.Config{Meta: api.Meta{ID: "config1"}, Name: "c", Current: 3, Spec: api.FileSpec{Data: []byte("newer")}},
	}
}

func task(id, node string) *api.Task {
	return &api.Task{Meta: api.Meta{ID: id}, Service: "service1", Revision: 1, Slot: 1, Node: node, Desired: api.DesiredRun}
}

func running(id string) api.TaskStatus {
	return api.TaskStatus{Meta: api.Meta{ID: id}, State: api.TaskRunning, Since: time.Now()}
}

package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
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
	m := &manager{t: t, store: config.Store.(*memory.Store), d: New(config, zap.NewNop())}
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
	quiet    bool // sends no heartbeats
}

func (m *manager) connect(node string) *agent { return m.connectAs(node, api.NewID()) }

func (m *manager) connectAs(node, session string) *agent {
	return m.connectSpeaking(wire.Protocol, node, session)
}

func (m *manager) connectSpeaking(protocol int, node, session string) *agent {
	return m.connectOn(context.Background(), protocol, node, session)
}

func (m *manager) connectOn(ctx context.Context, protocol int, node, session string) *agent {
	upR, upW := io.Pipe()
	downR, downW := io.Pipe()
	a := &agent{t: m.t, id: session, up: upW, down: downR, ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		defer downW.Close()
		defer upR.Close()
		m.d.serve(ctx, node, netip.MustParseAddr("10.0.0.9"), upR, downW,
			func() { upR.CloseWithError(os.ErrDeadlineExceeded) })
	}()
	go func() {
		for {
			var message wire.Down
			if wire.Read(downR, &message) != nil {
				return
			}
			a.mu.Lock()
			a.messages = append(a.messages, message)
			a.mu.Unlock()
		}
	}()
	a.send(wire.Up{Hello: &wire.Hello{Protocol: protocol, Session: session, Info: api.NodeInfo{Hostname: node}}})
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
		if each.Welcome != nil || each.Full || each.Tasks != nil || each.Removed != nil || each.Open != nil || each.Error != nil || each.Specs != nil {
			found = append(found, each)
		}
	}
	a.messages = nil
	return found
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

func TestANodeGetsWhatItsTasksNeedAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		put(t, m.store, service("service1", 1)...)
		put(t, m.store, task("t1", "n1"), task("t2", "n2"), task("t3", ""))
		a := m.connect("n1")
		defer a.hangUp()

		first := a.received()
		require.Len(t, first, 1)
		require.True(t, first[0].Full)
		require.Equal(t, "cluster1", first[0].Welcome.Cluster)
		require.Equal(t, "name-n1", first[0].Welcome.Node.Name)
		require.Equal(t, api.DefaultNodeTimeout, first[0].Welcome.Timeout)
		require.Len(t, first[0].Tasks, 1)
		assignment := first[0].Tasks[0]
		require.Equal(t, "t1", assignment.Task.ID)
		require.Equal(t, []string{"web", "shop", "name-n1"}, []string{assignment.ServiceName, assignment.AppName, assignment.NodeName})
		require.Contains(t, first[0].Specs, "service1.1")
		require.Equal(t, map[string][]byte{"secret1.1": []byte("hush")}, first[0].Files, "a version that is gone is not replaced by another")

		put(t, m.store, task("t4", "n1"), task("t5", "n2"))
		m.settle()
		next := a.received()
		require.Len(t, next, 1)
		require.False(t, next[0].Full)
		require.Len(t, next[0].Tasks, 1)
		require.Equal(t, "t4", next[0].Tasks[0].Task.ID)
		require.Empty(t, next[0].Specs, "the node has it already")
		require.Empty(t, next[0].Files)
		require.Greater(t, next[0].Revision, first[0].Revision)
	})
}

func TestChangesAndRemovals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		put(t, m.store, service("service1", 1)...)
		put(t, m.store, task("t1", "n1"))
		a := m.connect("n1")
		defer a.hangUp()
		a.received()

		gone := task("t1", "n1")
		gone.Desired = api.DesiredRemove
		put(t, m.store, gone)
		m.settle()
		next := a.received()
		require.Len(t, next, 1)
		require.Equal(t, api.DesiredRemove, next[0].Tasks[0].Task.Desired)

		// The last task goes and another comes in one step: the spec is sent again.
		tx := &store.Tx{}
		tx.Remove(api.KindTask, "t1")
		tx.Set(task("t2", "n1"))
		_, err := m.store.Commit(t.Context(), tx)
		require.NoError(t, err)
		m.settle()
		next = a.received()
		require.Len(t, next, 1)
		require.Equal(t, []string{"t1"}, next[0].Removed)
		require.Len(t, next[0].Tasks, 1)
		require.Contains(t, next[0].Specs, "service1.1")
		require.Contains(t, next[0].Files, "secret1.1")
	})
}

func TestLargeFilesGoAheadOfTheTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		for i := range 20 {
			id, file := fmt.Sprintf("service%d", i), fmt.Sprintf("file%d", i)
			put(t, m.store, &api.Revision{Meta: api.Meta{ID: api.RevisionID(id, 1)}, Service: id, Number: 1, Spec: api.ServiceSpec{
				Name: id, Container: api.ContainerSpec{Configs: []api.FileReference{{ID: file, Version: 1}}},
			}})
			put(t, m.store, &api.Config{Meta: api.Meta{ID: file}, Name: file, Current: 1, Spec: api.FileSpec{Data: make([]byte, 1000<<10)}})
			each := task(fmt.Sprintf("t%02d", i), "n1")
			each.Service = id
			put(t, m.store, each)
		}
		a := m.connect("n1")
		defer a.hangUp()
		messages := a.received()
		require.Greater(t, len(messages), 1)
		files := 0
		for i, each := range messages {
			files += len(each.Files)
			require.Equal(t, i == 0, each.Welcome != nil)
			require.Equal(t, i == len(messages)-1, each.Full)
			if i < len(messages)-1 {
				require.Empty(t, each.Tasks)
			}
		}
		require.Len(t, messages[len(messages)-1].Tasks, 20)
		require.Equal(t, 20, files)
	})
}

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

func TestANewerSessionReplacesTheOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		put(t, m.store, task("t1", "n1"))
		old := m.connect("n1")
		session := m.d.nodes["n1"].session
		newer := m.connect("n1")
		defer newer.hangUp()
		require.True(t, old.isCut())
		require.Equal(t, newer.id, m.node("n1").Session)
		require.False(t, newer.isCut())

		m.d.scribe.report(session, []api.TaskStatus{running("t1")})
		m.settle()
		require.Nil(t, m.status("t1"), "what the older session says late is not written")
	})
}

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

func TestARemovedNodeIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		a := m.connect("n1")
		a.received()
		tx := &store.Tx{}
		tx.Remove(api.KindNode, "n1")
		tx.Remove(api.KindNodeStatus, "n1")
		_, err := m.store.Commit(t.Context(), tx)
		require.NoError(t, err)
		m.settle()
		require.True(t, a.isCut())
		last := a.received()
		require.Len(t, last, 2)
		require.True(t, last[0].Full, "it is to run nothing any more")
		require.Empty(t, last[0].Tasks)
		require.Equal(t, api.CodeForbidden, last[1].Error.Code)

		again := m.connect("n1")
		require.True(t, again.isCut())
		require.Equal(t, api.CodeForbidden, again.received()[0].Error.Code)
		require.Nil(t, m.node("n1"))
	})
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

func TestHelloIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		a := m.connectAs("n1", "short")
		require.True(t, a.isCut())
		require.Equal(t, api.CodeInvalid, a.received()[0].Error.Code)
	})
}

func TestStreamsNeedASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		_, err := m.d.Open(t.Context(), "n1", wire.Open{Do: &wire.DoRequest{Images: true}})
		require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
		require.ErrorContains(t, err, "name-n1")
		a := m.connect("n1")
		defer a.hangUp()
		a.received()
		_, err = m.d.Open(t.Context(), "n1", wire.Open{ID: "guess", Do: &wire.DoRequest{Images: true}})
		require.ErrorContains(t, err, "did not answer")
		asked := a.received()
		require.Len(t, asked, 1)
		require.True(t, asked[0].Open.Do.Images)
		require.Greater(t, len(asked[0].Open.ID), 20)
		require.Empty(t, m.d.streams)
	})
}

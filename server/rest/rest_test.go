package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what should come at once, on a machine
// under load.
const patience = time.Minute

// manager is an API on a database in memory, behind a unix socket.
type manager struct {
	t      *testing.T
	ctx    context.Context
	store  *memory.Store
	nodes  *nodes
	others *others
	images registry
	shelf  *shelf
	client *client.Client
	api    *API
	socket string
}

// newManager has two nodes, n1 (which is the manager too) and n2.
func newManager(t *testing.T) *manager {
	t.Helper()
	return newManagerOn(t, func(s *memory.Store) store.Store { return s })
}

// newManagerOn is newManager whose API sees the database as something else.
func newManagerOn(t *testing.T, seen func(*memory.Store) store.Store) *manager {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	m := &manager{
		t: t, ctx: ctx, store: memory.New(), nodes: &nodes{}, others: &others{}, images: registry{}, shelf: &shelf{},
		socket: filepath.Join(t.TempDir(), "s"),
	}
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	key, err := authority.Key()
	require.NoError(t, err)
	cluster := &api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Name: "test", Identity: "cluster1", Roots: authority.Roots(), CAKey: key, LastNumber: 2, UnlockKey: "the unlock key"}
	ca.RotateTokens(cluster, locksmith{}, time.Now(), api.RoleManager, api.RoleWorker)
	m.put(cluster,
		&api.Node{Meta: api.Meta{ID: "n1id"}, Name: "n1", Role: api.RoleManager, API: "10.0.0.1:6720", Number: 1, Runs: true},
		&api.Node{Meta: api.Meta{ID: "n2id"}, Name: "n2", Role: api.RoleWorker, Number: 2, Runs: true},
		&api.NodeStatus{Meta: api.Meta{ID: "n1id"}, State: api.NodeReady, Session: "s1"},
		&api.NodeStatus{Meta: api.Meta{ID: "n2id"}, State: api.NodeReady, Session: "s2"},
	)
	m.api = New(Config{
		Store: seen(m.store), Dispatcher: m.nodes, Managers: m.others, Resolver: m.images, Snapshots: m.shelf, Keys: locksmith{}, Node: "n1id", Log: zap.NewNop(),
	})
	var running sync.WaitGroup
	running.Go(func() { _ = m.api.Run(ctx) }) // ends with ctx
	listener, err := net.Listen("unix", m.socket)
	require.NoError(t, err)
	server := &http.Server{Handler: m.api, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return ca.WithPeer(ctx, ca.Peer{ID: "root", Role: ca.RoleLocal})
	}
	running.Go(func() { _ = server.Serve(listener) }) // ends with Close
	m.client, err = client.New(client.Options{Host: "unix://" + m.socket})
	require.NoError(t, err)
	t.Cleanup(func() {
		m.client.Close()
		server.Close()
		cancel()
		m.store.Close()
		running.Wait()
		m.nodes.wait()
	})
	return m
}

// put writes objects whatever is there.
func (m *manager) put(objects ...api.Object) {
	m.t.Helper()
	tx := &store.Tx{}
	for _, object := range objects {
		tx.Set(object)
	}
	_, err := m.store.Commit(m.ctx, tx)
	require.NoError(m.t, err)
}

// create makes a service of an image that the registry has.
func (m *manager) create(name string, replicas int) api.ServiceView {
	m.t.Helper()
	answer, err := m.client.CreateService(m.ctx, api.ServiceCreate{Spec: api.ServiceSpec{
		Name: name, Replicas: &replicas, Container: api.ContainerSpec{Image: "web:1"},
	}})
	require.NoError(m.t, err)
	return answer.Service
}

// run puts a task of a service on a node, with a container that runs.
func (m *manager) run(service api.ServiceView, slot int, node, container string) *api.Task {
	m.t.Helper()
	task := &api.Task{
		Meta: api.Meta{ID: "task" + container, Created: time.Unix(int64(slot), 0)}, Service: service.ID, Revision: service.Current, Slot: slot,
		Node: node, Desired: api.DesiredRun,
	}
	m.put(task, &api.TaskStatus{
		Meta: api.Meta{ID: task.ID}, Node: node, State: api.TaskRunning,
		Attempts: []api.Attempt{{Container: container, Started: time.Unix(100+int64(slot), 0), ExitCode: -1}},
	})
	return task
}

// registry knows web:1, web:2, and what it is told of by normalized names; a nil
// error means a digest.
type registry map[string]error

func (r registry) Resolve(_ context.Context, image, _ string) (string, api.ImageConfig, error) {
	err, known := r[image]
	if !known && image != "docker.io/library/web:1" && image != "docker.io/library/web:2" {
		err = api.NotFoundf("there is no image %s", image)
	}
	if err != nil {
		return "", api.ImageConfig{}, err
	}
	return "sha256:" + image[len(image)-1:], api.ImageConfig{Platforms: []api.Platform{{OS: "linux", Arch: "amd64"}}}, nil
}

// nodes plays the nodes' end of streams.
type nodes struct {
	mu      sync.Mutex
	serve   func(node string, open wire.Open, stream net.Conn)
	away    map[string]bool
	closed  bool
	serving sync.WaitGroup
}

func (n *nodes) answer(serve func(node string, open wire.Open, stream net.Conn)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.serve = serve
}

func (n *nodes) setAway(node string, away bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away == nil {
		n.away = make(map[string]bool)
	}
	n.away[node] = away
}

// Open implements Dispatcher.
func (n *nodes) Open(_ context.Context, node string, open wire.Open) (io.ReadWriteCloser, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.serve == nil || n.closed || n.away[node] {
		return nil, api.Errorf(api.CodeUnavailable, "node %s is not connected to this manager", node)
	}
	ours, theirs := net.Pipe()
	serve := n.serve
	n.serving.Go(func() {
		defer theirs.Close()
		serve(node, open, theirs)
	})
	return ours, nil
}

// wait opens nothing any more and waits for what was opened.
func (n *nodes) wait() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.serving.Wait()
}

func send(stream io.Writer, value any) error {
	payload, err := wire.Marshal(value)
	if err != nil {
		return err
	}
	return wire.WriteFrame(stream, wire.Data, payload)
}

func requireCode(t *testing.T, code api.Code, err error, words ...string) {
	t.Helper()
	var told *api.Error
	require.ErrorAs(t, err, &told)
	require.Equal(t, code, told.Code, told.Message)
	for _, word := range words {
		require.Contains(t, told.Message, word)
	}
	require.NotContains(t, told.Message, "\n")
	require.False(t, errors.Is(err, context.DeadlineExceeded))
}

// finish lets a task's container end with code 3.
func (m *manager) finish(task, container string) {
	m.t.Helper()
	m.put(&api.TaskStatus{
		Meta: api.Meta{ID: task}, Node: "n2id", State: api.TaskFailed,
		Attempts: []api.Attempt{{Container: container, Started: time.Unix(100, 0), Finished: time.Unix(101, 0), ExitCode: 3}},
	})
}

func (m *manager) removeTasks(ids ...string) {
	m.t.Helper()
	tx := &store.Tx{}
	for _, id := range ids {
		tx.Remove(api.KindTask, id)
		tx.Remove(api.KindTaskStatus, id)
	}
	_, err := m.store.Commit(m.ctx, tx)
	require.NoError(m.t, err)
}

// overtaken is a store to which others write before anybody sees a commit.
type overtaken struct {
	store.Store
	write func()
}

func (o *overtaken) WaitFor(ctx context.Context, revision int64) (*store.Snapshot, error) {
	o.write()
	return o.Store.WaitFor(ctx, revision)
}

func TestTheVersionOfWhatIsMadeIsItsOwn(t *testing.T) {
	var m *manager
	m = newManagerOn(t, func(s *memory.Store) store.Store {
		return &overtaken{s, func() { m.put(&api.Image{Meta: api.Meta{ID: "image"}, Name: "other"}) }}
	})
	made, err := m.client.CreateNetwork(m.ctx, api.NetworkSpec{Name: "front"})
	require.NoError(t, err)
	require.Equal(t, store.Get[api.Network](m.store.Snapshot(), made.ID).Version, made.Version)
}

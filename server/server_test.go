package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

func TestMain(m *testing.M) {
	if os.Getenv(asCrowd) != "" {
		if err := beCrowd(); err != nil {
			log.Fatal(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

const patience = time.Minute // for a machine under load

// cluster is a manager with its CA, on a database in memory and real sockets.
type cluster struct {
	t          *testing.T
	authority  *ca.Authority
	store      *memory.Store
	address    string
	socket     string
	dispatcher *session.Dispatcher
	limits     limit.Limits
	own        *ca.Credentials                  // of the manager that was served last
	members    func(id string) store.Membership // nil means that there is no other manager
}

// idle plans nothing.
type idle struct{}

func (idle) Observe(store.Update)          {}
func (idle) Plan(time.Time) scheduler.Plan { return scheduler.Plan{} }

func newCluster(t *testing.T) *cluster {
	t.Helper()
	return newClusterOf(t, nil)
}

func newClusterOf(t *testing.T, members func(id string) store.Membership) *cluster {
	t.Helper()
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	c := &cluster{t: t, authority: authority, store: memory.New(), members: members, socket: filepath.Join(t.TempDir(), "orc.sock")}
	tx := &store.Tx{}
	tx.Set(&api.Cluster{
		Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1", Roots: authority.Roots(),
		Settings: api.Settings{NodeTimeout: api.Duration(patience)},
	})
	tx.Set(&api.Node{Meta: api.Meta{ID: "m1"}, Name: "m1", Role: api.RoleManager, API: "10.0.0.1:6720"})
	_, err = c.store.Commit(t.Context(), tx)
	require.NoError(t, err)

	t.Cleanup(func() { c.store.Close() })
	c.address, c.dispatcher = c.serve("m1", c.socket)
	return c
}

// serve runs a manager.
func (c *cluster) serve(id, socket string) (address string, dispatcher *session.Dispatcher) {
	c.t.Helper()
	return c.serveAPI(id, socket, func(*session.Dispatcher, *managers.Managers) http.Handler { return http.HandlerFunc(whoAmI) })
}

func (c *cluster) serveAPI(id, socket string, answers func(*session.Dispatcher, *managers.Managers) http.Handler) (address string, dispatcher *session.Dispatcher) {
	t := c.t
	t.Helper()
	tcp, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	unix, err := ListenUnix(socket)
	require.NoError(t, err)
	made := make(chan *session.Dispatcher, 1)
	c.own = c.node(id, api.RoleManager)
	var members store.Membership
	if c.members != nil {
		members = c.members(id)
	}
	s := New(Config{
		Members: members, Store: c.store, Node: id, Credentials: c.own, TCP: tcp, Unix: unix,
		API: func(d *session.Dispatcher, others *managers.Managers) http.Handler {
			made <- d
			return answers(d, others)
		},
		Planner: func(*store.Snapshot) Planner { return idle{} }, Limits: c.limits,
	}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Error("the server does not end")
		}
	})
	return tcp.Addr().String(), <-made
}

// whoAmI stands for the API.
func whoAmI(w http.ResponseWriter, r *http.Request) {
	peer, _ := ca.PeerFrom(r.Context())
	json.NewEncoder(w).Encode(peer)
}

func (c *cluster) node(id string, role api.Role) *ca.Credentials {
	c.t.Helper()
	return issue(c.t, c.authority, id, role)
}

func issue(t *testing.T, authority *ca.Authority, id string, role api.Role) *ca.Credentials {
	t.Helper()
	request, key, err := ca.NewRequest()
	require.NoError(t, err)
	certificate, err := authority.SignNode(request, id, role, 0, time.Now())
	require.NoError(t, err)
	credentials, err := ca.NewCredentials(certificate, key, authority.Roots())
	require.NoError(t, err)
	return credentials
}

func (c *cluster) put(object api.Object) {
	c.t.Helper()
	tx := &store.Tx{}
	tx.Set(object)
	_, err := c.store.Commit(c.t.Context(), tx)
	require.NoError(c.t, err)
}

func (c *cluster) client(config *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask returns who the manager takes the client for, or its refusal.
func (c *cluster) ask(client *http.Client) (ca.Peer, error) {
	c.t.Helper()
	response, err := client.Get("https://" + c.address + "/v1/anything")
	if err != nil {
		return ca.Peer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	if response.StatusCode != http.StatusOK {
		var refusal api.Error
		require.NoError(c.t, json.Unmarshal(body, &refusal))
		return ca.Peer{}, &refusal
	}
	var peer ca.Peer
	require.NoError(c.t, json.Unmarshal(body, &peer))
	return peer, nil
}

func TestWhoIsWho(t *testing.T) {
	c := newCluster(t)
	joining, err := ca.Joining(c.authority.Roots())
	require.NoError(t, err)
	peer, err := c.ask(c.client(joining))
	require.NoError(t, err)
	require.Empty(t, peer, "no certificate: nobody")

	_, err = c.ask(c.client(c.node("w1", api.RoleWorker).Client()))
	require.Equal(t, api.CodeForbidden, api.CodeOf(err), "not (any more) in the database")
	c.put(&api.Node{Meta: api.Meta{ID: "w1"}, Name: "w1", Role: api.RoleWorker})
	peer, err = c.ask(c.client(c.node("w1", api.RoleWorker).Client()))
	require.NoError(t, err)
	require.Equal(t, ca.Peer{ID: "w1", Role: ca.RoleWorker, Cluster: "cluster1"}, peer)
	peer, err = c.ask(c.client(c.node("w1", api.RoleManager).Client()))
	require.NoError(t, err)
	require.Equal(t, ca.RoleWorker, peer.Role, "a demoted manager")

	certificate, key, err := c.authority.IssueClient("ann", time.Now())
	require.NoError(t, err)
	credentials, err := ca.NewCredentials(certificate, key, c.authority.Roots())
	require.NoError(t, err)
	peer, err = c.ask(c.client(credentials.Client()))
	require.NoError(t, err)
	require.Equal(t, ca.Peer{ID: "ann", Role: ca.RoleClient, Cluster: "cluster1"}, peer)

	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
	}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://local/v1/anything")
	require.NoError(t, err)
	defer response.Body.Close()
	require.NoError(t, json.NewDecoder(response.Body).Decode(&peer))
	require.Equal(t, ca.RoleLocal, peer.Role)
}

func TestPortTaken(t *testing.T) {
	listener, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, err = Listen(listener.Addr().String())
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.ErrorContains(t, err, "is taken")
}

// worker is a node that keeps a session and answers streams, over real TLS.
type worker struct {
	client *http.Client
	base   string
	up     *tls.Conn
	mu     sync.Mutex
	seen   []wire.Down
	ended  chan struct{}
}

func (c *cluster) work(id string, serve func(w *worker, open wire.Open)) *worker {
	c.t.Helper()
	c.put(&api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleWorker})
	config := c.node(id, api.RoleWorker).Client()
	up, down := call(c.t, (&net.Dialer{}).DialContext, c.address, config)
	w := &worker{client: c.client(config), base: "https://" + c.address, up: up, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for {
			var message wire.Down
			if wire.Read(down, &message) != nil {
				return
			}
			if message.Open != nil && serve != nil {
				go serve(w, *message.Open)
			}
			w.mu.Lock()
			w.seen = append(w.seen, message)
			w.mu.Unlock()
		}
	}()
	c.t.Cleanup(func() { up.Close(); <-w.ended })
	require.NoError(c.t, wire.Write(up, &wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: api.NewID()}}))
	require.Eventually(c.t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.seen) > 0 && w.seen[0].Welcome != nil
	}, patience, 5*time.Millisecond)
	return w
}

// answer opens the stream the manager asked for.
func (w *worker) answer(id string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodPost, w.base+"/v1/streams/"+id, body)
	if err != nil {
		return nil, err
	}
	return w.client.Do(request)
}

// echo answers a stream with what comes down it.
func echo(w *worker, open wire.Open) {
	r, pipe := io.Pipe()
	response, err := w.answer(open.ID, r)
	if err != nil || response.StatusCode != http.StatusOK {
		pipe.CloseWithError(errors.New("refused"))
		return
	}
	defer response.Body.Close()
	io.Copy(pipe, response.Body)
	pipe.Close()
}

// requireEcho opens a stream to w1 some times, and sends and reads on it.
func requireEcho(t *testing.T, d *session.Dispatcher) {
	t.Helper()
	for range 3 {
		stream, err := d.Open(t.Context(), "w1", wire.Open{Do: &wire.DoRequest{}})
		require.NoError(t, err)
		for _, size := range []int{1, 10, 1 << 20} {
			data := bytes.Repeat([]byte{7}, size)
			go stream.Write(data)
			got := make([]byte, size)
			_, err = io.ReadFull(stream, got)
			require.NoError(t, err)
			require.Equal(t, data, got)
		}
		require.NoError(t, stream.Close())
		require.NoError(t, stream.Close())
		_, err = stream.Write([]byte("x"))
		require.Error(t, err)
	}
}

func TestAStreamCarriesBothDirectionsAtOnce(t *testing.T) {
	c := newCluster(t)
	c.work("w1", echo)
	requireEcho(t, c.dispatcher)
}

func TestAStreamIsOnlyForTheNodeThatWasAsked(t *testing.T) {
	c := newCluster(t)
	thief := c.work("w2", nil)
	stolen := make(chan int, 1)
	c.work("w1", func(w *worker, open wire.Open) {
		response, err := thief.answer(open.ID, nil)
		if err != nil {
			stolen <- 0
			return
		}
		response.Body.Close()
		stolen <- response.StatusCode
		own, err := w.answer(open.ID, bytes.NewReader([]byte("mine")))
		if err == nil {
			io.Copy(io.Discard, own.Body)
			own.Body.Close()
		}
	})
	stream, err := c.dispatcher.Open(t.Context(), "w1", wire.Open{Do: &wire.DoRequest{}})
	require.NoError(t, err)
	defer stream.Close()
	require.Equal(t, http.StatusNotFound, <-stolen)
	got, err := io.ReadAll(stream)
	require.NoError(t, err)
	require.Equal(t, "mine", string(got))
}

func TestAStreamNobodyReadsDoesNotHoldUpTheSession(t *testing.T) {
	c := newCluster(t)
	flooding := make(chan struct{})
	w := c.work("w1", func(w *worker, open wire.Open) {
		r, pipe := io.Pipe()
		go func() {
			defer pipe.Close()
			for range 64 {
				if _, err := pipe.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}()
		response, err := w.answer(open.ID, r)
		close(flooding)
		if err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		r.Close()
	})
	stream, err := c.dispatcher.Open(t.Context(), "w1", wire.Open{Do: &wire.DoRequest{}})
	require.NoError(t, err)
	defer stream.Close()
	<-flooding
	c.put(&api.Task{Meta: api.Meta{ID: "t1"}, Node: "w1", Desired: api.DesiredRun})
	// Far more than the window that the flood fills.
	big := api.TaskStatus{Meta: api.Meta{ID: "t1"}, State: api.TaskRunning, Message: string(make([]byte, 512<<10))}
	for range 8 {
		require.NoError(t, wire.Write(w.up, &wire.Up{Statuses: []api.TaskStatus{big}}))
	}
	require.Eventually(t, func() bool {
		return store.Get[api.TaskStatus](c.store.Snapshot(), "t1") != nil
	}, patience, 5*time.Millisecond)
}

func TestWorkersOnlyMayOpenSessions(t *testing.T) {
	c := newCluster(t)
	joining, err := ca.Joining(c.authority.Roots())
	require.NoError(t, err)
	response, err := c.client(joining).Post("https://"+c.address+"/v1/session", "", nil)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
}

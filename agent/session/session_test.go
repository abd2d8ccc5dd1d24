package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is an agent that writes down what it is told.
type node struct {
	mu      sync.Mutex
	pending []api.TaskStatus
	ready   chan struct{}
	applied chan wire.Down
	lost    chan time.Time
}

func newNode() *node {
	return &node{ready: make(chan struct{}, 1), applied: make(chan wire.Down, 100), lost: make(chan time.Time, 100)}
}

func (n *node) Lost(heard time.Time) { n.lost <- heard }

func (n *node) Apply(down wire.Down) error {
	if len(down.Tasks) > 0 || len(down.Part) > 0 {
		n.applied <- down
	}
	return nil
}
func (n *node) Ready() <-chan struct{} { return n.ready }
func (n *node) Take() []api.TaskStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.pending
	n.pending = nil
	return taken
}
func (n *node) Statuses(context.Context) []api.TaskStatus { return []api.TaskStatus{{Node: "all"}} }
func (n *node) Handle(_ context.Context, open wire.Open, stream io.ReadWriter) error {
	_, payload, err := wire.ReadFrame(stream)
	if err != nil {
		return err
	}
	return wire.WriteFrame(stream, wire.Data, append([]byte(open.ID+" heard "), payload...))
}

func (n *node) put(status api.TaskStatus) {
	n.mu.Lock()
	n.pending = append(n.pending, status)
	n.mu.Unlock()
	n.ready <- struct{}{}
}

// connection is a session as the manager sees it.
type connection struct {
	up    chan wire.Up
	downs chan wire.Down
	end   chan struct{}
}

func (c *connection) down(down wire.Down) { c.downs <- down }

// manager accepts sessions and streams over real TLS and HTTP/2.
type manager struct {
	server   *httptest.Server
	sessions chan *connection
	streams  chan string
	stream   func(*http.Request) // serves streams; nil for an echo
	refuse   *api.Error
}

func newManager(t *testing.T) *manager {
	m := &manager{sessions: make(chan *connection, 10), streams: make(chan string, 10)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/session", m.serve)
	mux.HandleFunc("POST /v1/streams/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		wire.WriteFrame(w, wire.Data, []byte("hello"))
		http.NewResponseController(w).Flush()
		if m.stream != nil {
			m.stream(r)
			return
		}
		_, payload, err := wire.ReadFrame(r.Body)
		if err == nil {
			m.streams <- string(payload)
		}
	})
	m.server = httptest.NewUnstartedServer(mux)
	m.server.EnableHTTP2 = true
	m.server.StartTLS()
	t.Cleanup(m.server.Close)
	return m
}

func (m *manager) serve(w http.ResponseWriter, r *http.Request) {
	if m.refuse != nil {
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(m.refuse)
		return
	}
	flush := http.NewResponseController(w).Flush
	w.WriteHeader(http.StatusOK)
	flush()
	c := &connection{up: make(chan wire.Up, 100), downs: make(chan wire.Down, 10), end: make(chan struct{})}
	m.sessions <- c
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			var up wire.Up
			if wire.Read(r.Body, &up) != nil {
				return
			}
			c.up <- up
		}
	}()
	for {
		select {
		case down := <-c.downs:
			wire.Write(w, down)
			flush()
		case <-read:
			return
		case <-c.end:
			return
		}
	}
}

func (m *manager) address() string { return strings.TrimPrefix(m.server.URL, "https://") }

func (m *manager) tls() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(m.server.Certificate())
	return &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// start runs a client of the manager until the test ends or stop is called.
func start(t *testing.T, m *manager, n Node, addresses ...string) (stop func()) {
	t.Helper()
	return startAs(t, m, n, func() api.NodeInfo { return api.NodeInfo{Hostname: "host"} }, addresses...)
}

// startAs is start for a node that tells this of itself.
func startAs(t *testing.T, m *manager, n Node, info func() api.NodeInfo, addresses ...string) (stop func()) {
	t.Helper()
	client := New(Config{
		Node: n, Managers: append(addresses, m.address()), File: filepath.Join(t.TempDir(), "managers"), TLS: m.tls, Info: info,
	}, zap.NewNop())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return stop
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case value := <-c:
		return value
	case <-time.After(30 * time.Second):
		t.Fatal("nothing comes")
	}
	panic("unreachable")
}

// until returns the first message that the test is looking for.
func until(t *testing.T, c *connection, wanted func(wire.Up) bool) wire.Up {
	t.Helper()
	for {
		if up := next(t, c.up); wanted(up) {
			return up
		}
	}
}

func welcome(timeout time.Duration) wire.Down {
	return wire.Down{Welcome: &wire.Welcome{Heartbeat: timeout / 3, Timeout: timeout}, Full: true, Revision: 7}
}

func TestASessionCarriesAssignmentsDownAndStatusesUp(t *testing.T) {
	m, n := newManager(t), newNode()
	stop := start(t, m, n)
	c := next(t, m.sessions)
	first := next(t, c.up)
	require.Equal(t, "host", first.Hello.Info.Hostname)
	require.Equal(t, "all", first.Statuses[0].Node)

	c.down(welcome(time.Minute))
	require.EqualValues(t, 7, until(t, c, func(up wire.Up) bool { return up.Applied != 0 }).Applied)
	c.down(wire.Down{Tasks: []wire.Assignment{{ServiceName: "web"}}, Revision: 8})
	require.Equal(t, "web", next(t, n.applied).Tasks[0].ServiceName)

	n.put(api.TaskStatus{Node: "one"})
	require.Equal(t, "one", until(t, c, func(up wire.Up) bool { return len(up.Statuses) > 0 }).Statuses[0].Node)

	c.down(wire.Down{Open: &wire.Open{ID: "stream", Do: &wire.DoRequest{}}})
	require.Equal(t, "stream heard hello", next(t, m.streams))

	go stop()
	until(t, c, func(up wire.Up) bool { return up.Leaving })
	next(t, n.lost)
}

func TestWhatATaskMadeIsToldOfSoonAfterItsStatus(t *testing.T) {
	m, n := newManager(t), newNode()
	var made atomic.Bool
	startAs(t, m, n, func() api.NodeInfo {
		if made.Load() {
			return api.NodeInfo{Volumes: []string{"data"}}
		}
		return api.NodeInfo{}
	})
	c := next(t, m.sessions)
	c.down(welcome(time.Minute))
	until(t, c, func(up wire.Up) bool { return up.Applied != 0 })
	began := time.Now()
	made.Store(true)
	n.put(api.TaskStatus{Node: "one"})
	require.Equal(t, []string{"data"}, until(t, c, func(up wire.Up) bool { return up.Info != nil }).Info.Volumes)
	require.Less(t, time.Since(began), infoInterval-infoPause)
}

func TestHeartbeatsGoUp(t *testing.T) {
	m, n := newManager(t), newNode()
	start(t, m, n)
	c := next(t, m.sessions)
	c.down(wire.Down{Welcome: &wire.Welcome{Heartbeat: 10 * time.Millisecond, Timeout: time.Hour}})
	for range 3 {
		until(t, c, func(up wire.Up) bool { return up.Hello == nil && up.Applied == 0 && len(up.Statuses) == 0 })
	}
}

func TestSilenceEndsASession(t *testing.T) {
	m, n := newManager(t), newNode()
	start(t, m, n)
	c := next(t, m.sessions)
	c.down(welcome(300 * time.Millisecond))
	again := next(t, m.sessions) // this manager says nothing: the node comes anew
	require.NotNil(t, next(t, again.up).Hello)
	require.GreaterOrEqual(t, time.Since(next(t, n.lost)), 300*time.Millisecond, "it is lost since it was last heard")
}

func TestAStateInPartsIsActedOnWhenItIsComplete(t *testing.T) {
	m, n := newManager(t), newNode()
	start(t, m, n)
	state := &wire.NetworkState{Services: wire.Changes[wire.Service]{Set: make(map[string]wire.Service)}}
	for i := range 15_000 {
		state.Services.Set[strconv.Itoa(i)] = wire.Service{Name: "service " + strconv.Itoa(i)}
	}
	down := welcome(time.Minute)
	down.Network, down.Tasks = state, []wire.Assignment{{ServiceName: "web"}}
	messages, err := down.Split()
	require.NoError(t, err)
	require.Greater(t, len(messages), 3)

	// The connection breaks before the last one.
	c := next(t, m.sessions)
	for _, each := range messages[:len(messages)-1] {
		c.down(each)
	}
	close(c.end)
	next(t, n.lost)
	require.Empty(t, n.applied)
	again := next(t, m.sessions)
	for _, each := range messages {
		again.down(each)
	}
	require.Equal(t, state, next(t, n.applied).Network)
	require.EqualValues(t, 7, until(t, again, func(up wire.Up) bool { return up.Applied != 0 }).Applied)

	// Parts that are not the whole end the session.
	again.down(messages[1])
	again.down(messages[len(messages)-1])
	next(t, n.lost)
	require.Empty(t, n.applied)
	next(t, m.sessions)
}

func TestAnotherManagerIsTried(t *testing.T) {
	m, n := newManager(t), newNode()
	start(t, m, n, "127.0.0.1:1")
	c := next(t, m.sessions)
	c.down(welcome(time.Minute))
	close(c.end)
	require.NotNil(t, next(t, next(t, m.sessions).up).Hello)
}

func TestARefusalIsNoReasonToGiveUp(t *testing.T) {
	m, n := newManager(t), newNode()
	m.refuse = api.Errorf(api.CodeForbidden, "this node was removed")
	client := New(Config{Node: n, TLS: m.tls, Info: func() api.NodeInfo { return api.NodeInfo{} }}, zap.NewNop())
	_, err := client.connect(t.Context(), m.address())
	require.ErrorContains(t, err, "this node was removed")
	require.Equal(t, api.CodeForbidden, api.CodeOf(err))
}

func TestManagersAreRemembered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "managers")
	var m managers
	m.load(file, []string{"a:1"})
	m.learn([]string{"b:1", "c:1"})
	m.learn(nil)
	require.Equal(t, []string{"b:1", "c:1", "a:1", "b:1"}, []string{m.next(), m.next(), m.next(), m.next()}, "what was told stays the last resort")
	m.leave("c:1")
	require.Equal(t, "a:1", m.next(), "another one than the one that was lost")
	var again managers
	again.load(file, []string{"d:1"})
	require.Equal(t, []string{"b:1", "c:1", "d:1"}, again.list)
}

// many is a node with more to tell than one message has.
type many struct{ *node }

func (many) Statuses(context.Context) []api.TaskStatus {
	return make([]api.TaskStatus, 2*maxStatuses+1)
}

func TestManyStatusesComeInSeveralMessages(t *testing.T) {
	m := newManager(t)
	start(t, m, many{newNode()})
	c := next(t, m.sessions)
	hello := next(t, c.up)
	require.NotNil(t, hello.Hello)
	require.Len(t, hello.Statuses, maxStatuses)
	require.Len(t, next(t, c.up).Statuses, maxStatuses)
	require.Len(t, next(t, c.up).Statuses, 1)
}

// deaf is a node whose streams are not read of, as an exec's whose command does not
// read: they last until they are given up.
type deaf struct {
	*node
	ended chan struct{}
}

func (d deaf) Handle(ctx context.Context, _ wire.Open, _ io.ReadWriter) error {
	<-ctx.Done()
	close(d.ended)
	return nil
}

func TestAStreamThatIsNotReadEndsWithWhoAsked(t *testing.T) {
	m, n := newManager(t), deaf{newNode(), make(chan struct{})}
	m.stream = func(*http.Request) {} // ends at once
	start(t, m, n)
	c := next(t, m.sessions)
	c.down(welcome(time.Minute))
	c.down(wire.Down{Open: &wire.Open{ID: "stream"}})
	next(t, n.ended)
}

// talker is a node that answers with more than a connection takes ahead.
type talker struct {
	*node
	answered chan struct{}
}

const (
	talkFrames = 9
	talkSize   = 120 << 10
)

func (n talker) Handle(_ context.Context, _ wire.Open, stream io.ReadWriter) error {
	defer close(n.answered)
	for range talkFrames {
		if err := wire.WriteFrame(stream, wire.Data, make([]byte, talkSize)); err != nil {
			return err
		}
	}
	return nil
}

func TestASlowManagerGetsTheWholeAnswer(t *testing.T) {
	m, n := newManager(t), talker{newNode(), make(chan struct{})}
	got := make(chan int, 1)
	m.stream = func(r *http.Request) {
		<-n.answered
		select {
		case <-r.Context().Done(): // the node broke off
		case <-time.After(100 * time.Millisecond):
		}
		read, _ := io.Copy(io.Discard, r.Body)
		got <- int(read)
	}
	start(t, m, n)
	c := next(t, m.sessions)
	c.down(welcome(time.Minute))
	c.down(wire.Down{Open: &wire.Open{ID: "stream"}})
	require.Greater(t, next(t, got), talkFrames*talkSize)
}

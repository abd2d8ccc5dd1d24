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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/api/wire/upgrade"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is an agent that writes down what it is told.
type node struct {
	mu      sync.Mutex
	pending []api.TaskStatus
	ready   chan struct{}
	applied chan wire.Down
	lost    chan time.Time
	hang    func() // what Apply does first, if it is about tasks
}

func newNode() *node {
	return &node{ready: make(chan struct{}, 1), applied: make(chan wire.Down, 100), lost: make(chan time.Time, 100)}
}

func (n *node) Lost(heard time.Time) { n.lost <- heard }

func (n *node) Apply(down wire.Down) error {
	if len(down.Tasks) > 0 || len(down.Part) > 0 {
		if n.hang != nil {
			n.hang()
		}
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

// manager accepts sessions and streams over real TLS.
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
	conn, err := upgrade.Accept(w, r)
	if err != nil {
		return // the node went away
	}
	defer conn.Close()
	c := &connection{up: make(chan wire.Up, 100), downs: make(chan wire.Down, 10), end: make(chan struct{})}
	m.sessions <- c
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			var up wire.Up
			if wire.Read(conn, &up) != nil {
				return
			}
			c.up <- up
		}
	}()
	for {
		select {
		case down := <-c.downs:
			wire.Write(conn, down)
		case <-read:
			return
		case <-c.end:
			for { // after what is to be said before
				select {
				case down := <-c.downs:
					wire.Write(conn, down)
				default:
					return
				}
			}
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

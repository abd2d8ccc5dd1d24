package node

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/session"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/ca"
)

// promptly is how soon a node that was removed must be out: a second, and some for a
// machine under load.
const promptly = 15 * time.Second

// idler is a node's end of a session that has nothing to do.
type idler struct {
	lost    chan struct{}
	applied chan struct{}
}

func (i *idler) Apply(wire.Down) error {
	select {
	case i.applied <- struct{}{}:
	default:
	}
	return nil
}

func (i *idler) Lost(time.Time) {
	select {
	case i.lost <- struct{}{}:
	default:
	}
}

func (*idler) Ready() <-chan struct{}                                 { return nil }
func (*idler) Take() []api.TaskStatus                                 { return nil }
func (*idler) Statuses(context.Context) []api.TaskStatus              { return nil }
func (*idler) Handle(context.Context, wire.Open, io.ReadWriter) error { return nil }

// enroll makes a worker by the token, and returns its credentials.
func (m *voter) enroll(t *testing.T, name string) *ca.Credentials {
	t.Helper()
	token, err := m.client.Token(t.Context(), api.RoleWorker)
	require.NoError(t, err)
	dir, err := openDirectory(t.TempDir())
	require.NoError(t, err)
	n := &process{dir: dir, log: zap.NewNop(), config: Config{
		Role: api.RoleWorker, DataDir: dir.path, Name: name, Join: []string{m.config.Listen}, Token: token.Token,
	}}
	require.NoError(t, n.join(t.Context()))
	require.NoError(t, dir.close())
	return n.credentials
}

// attend keeps a worker's session with one manager until the test ends.
func (m *voter) attend(t *testing.T, credentials *ca.Credentials) *idler {
	t.Helper()
	i := &idler{lost: make(chan struct{}, 1), applied: make(chan struct{}, 1)}
	client := session.New(session.Config{
		Node: i, Managers: []string{m.config.Listen}, TLS: credentials.Client, Info: func() api.NodeInfo { return api.NodeInfo{} },
	}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		client.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	<-i.applied
	return i
}

// peerPort is where the manager's database is reached.
func (m *voter) peerPort(t *testing.T) string {
	t.Helper()
	_, address, err := (&process{config: m.config}).peerAddresses()
	require.NoError(t, err)
	return address
}

// stay opens a connection and asks on it without end. The channel is closed when it
// has ended.
func stay(t *testing.T, address, path string, config *tls.Config) <-chan struct{} {
	t.Helper()
	connection, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	ask := func() error {
		if _, err := io.WriteString(connection, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		_, err := connection.Read(make([]byte, 1<<12))
		return err
	}
	require.NoError(t, ask())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer connection.Close()
		for ask() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return ended
}

func status(t *testing.T, address, path string, config *tls.Config) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: config.NextProtos != nil}}
	response, err := client.Get("https://" + address + path)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// within waits for the end of something since a moment, and logs how long it took.
func within(t *testing.T, what string, since time.Time, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
		t.Logf("%s: ended %s after the commit began", what, time.Since(since).Round(time.Millisecond))
	case <-time.After(promptly):
		t.Fatalf("%s: still there after %s", what, promptly)
	}
}

func TestARemovedWorkerIsOutAtOnceAndForGood(t *testing.T) {
	all := three(t)
	credentials := all[0].enroll(t, "w1")
	worker := all[1].attend(t, credentials)
	begun := time.Now()
	require.NoError(t, all[0].client.RemoveNode(t.Context(), "w1", true))
	within(t, "a session with another manager", begun, worker.lost)
	for _, each := range all {
		require.Eventually(t, func() bool {
			return status(t, each.config.Listen, "/v1/alive", credentials.Client()) == http.StatusForbidden
		}, patience, 10*time.Millisecond, each.config.Name)
	}
	// Its session is refused by every manager, however often it comes.
	for _, each := range all {
		err := post(t.Context(), credentials.Client(), each.config.Listen, "/v1/renew", api.RenewRequest{}, nil)
		require.Equal(t, api.CodeForbidden, api.CodeOf(err))
	}
}

func TestARemovedManagerIsOutAtOnceAndForGood(t *testing.T) {
	all := three(t)
	dir := all[2].config.DataDir
	stolen, err := (&directory{path: dir}).credentials(nil)
	require.NoError(t, err)
	config := stolen.Client()
	config.NextProtos = nil // as databases speak
	ports := []string{all[0].peerPort(t), all[1].peerPort(t)}
	var ended []<-chan struct{}
	for _, port := range ports {
		require.Equal(t, http.StatusOK, status(t, port, "/members", config))
		ended = append(ended, stay(t, port, "/members", config))
	}

	begun := time.Now()
	require.NoError(t, all[0].client.RemoveNode(t.Context(), "m3", true))
	for i, port := range ports {
		within(t, "a connection to "+all[i].config.Name+"'s database", begun, ended[i])
		require.Eventually(t, func() bool { return status(t, port, "/members", config) == http.StatusServiceUnavailable }, patience, 10*time.Millisecond)
	}
	<-all[2].done
	require.ErrorContains(t, all[2].err, "removed from the cluster")

	// Who comes back before the others' databases are open again is known, too.
	for _, each := range all[:2] {
		require.NoError(t, each.stop())
		data, err := os.ReadFile(filepath.Join(each.config.DataDir, "node.json"))
		require.NoError(t, err)
		require.Contains(t, string(data), stolen.Peer().ID)
	}
	for i := range 2 {
		all[i] = startManager(t, all[i].config)
	}
	for i := range 2 {
		all[i].waitReady(all[i].config.DataDir)
		require.Equal(t, http.StatusServiceUnavailable, status(t, ports[i], "/members", config))
		require.Equal(t, http.StatusForbidden, status(t, all[i].config.Listen, "/v1/alive", stolen.Client()))
	}
}

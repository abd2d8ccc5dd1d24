package server

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/rest"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// The addresses of a test: the whole of 127.0.0.0/8 is this host's.
const (
	hostileAddress = "127.0.0.1"
	agentAddress   = "127.0.0.2"
	clientAddress  = "127.0.0.3"
	joinerAddress  = "127.0.0.4"
)

// target is a manager with the whole API.
type target struct {
	*cluster
	token string // to join with, as a worker
}

func newTarget(t *testing.T) *target {
	t.Helper()
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	key, err := authority.Key()
	require.NoError(t, err)
	c := &target{cluster: &cluster{t: t, authority: authority, store: memory.New(), socket: filepath.Join(t.TempDir(), "orc.sock")}}
	// One hostile client more than its share, and there would be room for nobody.
	c.limits = limit.Default()
	c.limits.AllStrangers = c.limits.Strangers + 64
	t.Cleanup(func() { c.store.Close() })
	object := &api.Cluster{
		Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1", Roots: authority.Roots(), CAKey: key, LastNumber: 3,
		Settings: api.Settings{NodeTimeout: api.Duration(patience)},
	}
	token, err := ca.AddToken(object, api.TokenRequest{Role: api.RoleWorker, Uses: 1}, time.Now())
	require.NoError(t, err)
	parsed, err := api.ParseToken(token.Token)
	require.NoError(t, err)
	c.token = parsed.Secret
	c.put(object)
	c.put(&api.Node{Meta: api.Meta{ID: "m1"}, Name: "m1", Role: api.RoleManager, API: "10.0.0.1:6720", Number: 1})
	for _, id := range []string{"w1", "w2"} {
		c.put(&api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleWorker, Runs: true})
	}
	c.address, c.dispatcher = c.serveAPI("m1", c.socket, func(d *session.Dispatcher, others *managers.Managers) http.Handler {
		return rest.New(rest.Config{Store: c.store, Dispatcher: d, Managers: others, Node: "m1", Log: zap.NewNop()})
	})
	return c
}

// certificate of a node or a user.
func (c *target) certificate(id, role string) *ca.Credentials {
	c.t.Helper()
	if role != ca.RoleClient {
		return c.node(id, api.Role(role))
	}
	certificate, key, err := c.authority.IssueClient(id, time.Now())
	require.NoError(c.t, err)
	credentials, err := ca.NewCredentials(certificate, key, c.authority.Roots())
	require.NoError(c.t, err)
	return credentials
}

func (c *target) stranger() *tls.Config {
	c.t.Helper()
	config, err := ca.Joining(c.authority.Roots())
	require.NoError(c.t, err)
	return config
}

func dialer(from string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
}

func (c *target) clientFrom(address string, config *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DialContext: dialer(address).DialContext, TLSHandshakeTimeout: patience}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func (c *target) get(t *testing.T, client *http.Client, path string) int {
	t.Helper()
	response, err := client.Get("https://" + c.address + path)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode
}

func (c *target) join(t *testing.T, client *http.Client, secret string) (int, string) {
	t.Helper()
	request, _, err := ca.NewRequest()
	require.NoError(t, err)
	body, err := json.Marshal(api.JoinRequest{Secret: secret, Request: request, Role: api.RoleWorker, Name: "newcomer", Runs: true})
	require.NoError(t, err)
	response, err := client.Post("https://"+c.address+"/v1/join", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

// honest is a node's session.
type honest struct {
	up    *tls.Conn
	acted atomic.Int64 // messages from the manager
	ended chan error
	store store.Store
	node  string
}

func (c *target) connect(node string) *honest {
	c.t.Helper()
	up, down := call(c.t, dialer(agentAddress).DialContext, c.address, c.certificate(node, ca.RoleWorker).Client())
	a := &honest{up: up, ended: make(chan error, 1), store: c.store, node: node}
	go func() {
		for {
			var message wire.Down
			if err := wire.Read(down, &message); err != nil {
				a.ended <- err
				return
			}
			a.acted.Add(1)
		}
	}()
	c.t.Cleanup(func() {
		up.Close()
		<-a.ended
	})
	require.NoError(c.t, wire.Write(up, &wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: api.NewID(), Info: api.NodeInfo{Hostname: "before"}}}))
	return a
}

// requireHeard says something new and waits until it is in the database.
func (a *honest) requireHeard(t *testing.T) {
	t.Helper()
	word := api.NewID()
	require.NoError(t, wire.Write(a.up, &wire.Up{Info: &api.NodeInfo{Hostname: word}}))
	require.Eventually(t, func() bool {
		status := store.Get[api.NodeStatus](a.store.Snapshot(), a.node)
		return status != nil && status.Info.Hostname == word
	}, patience, time.Millisecond)
	require.Eventually(t, func() bool { return a.acted.Load() > 0 }, patience, time.Millisecond)
	require.Empty(t, a.ended)
}

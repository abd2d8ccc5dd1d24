package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/api/wire/upgrade"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/rest"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// What w1 must never see: the values of the other node's tasks and of the cluster.
var planted = []string{
	"planted-env", "planted-secret-content", "planted-config-content", "planted-registry-password", "planted-unlock-key",
	"planted-ca-key", "planted-ring", "planted-label",
}

// insider has a manager's handlers and the certificate of one of its workers.
type insider struct {
	t       *testing.T
	store   *memory.Store
	server  *Server
	handler http.Handler
	tls     *tls.ConnectionState
	cluster *api.Cluster
}

func newInsider(t *testing.T) *insider {
	t.Helper()
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	key, err := authority.Key()
	require.NoError(t, err)
	i := &insider{t: t, store: memory.New(), cluster: &api.Cluster{
		Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1", Roots: authority.Roots(), CAKey: key, UnlockKey: "planted-unlock-key",
		LastNumber: 3, Settings: api.Settings{NodeTimeout: api.Duration(time.Hour)},
	}}
	_, err = ca.AddToken(i.cluster, api.TokenRequest{Role: api.RoleManager, Uses: 1}, time.Now())
	require.NoError(t, err)
	other := api.ServiceSpec{Name: "theirs", Container: api.ContainerSpec{
		Image: "web:1", Env: []string{"X=planted-env"}, RegistryAuth: "planted-registry-password", Labels: map[string]string{"planted-label": "x"},
	}}
	tx := &store.Tx{}
	for _, object := range []api.Object{
		i.cluster,
		&api.Node{Meta: api.Meta{ID: "m1"}, Name: "m1", Role: api.RoleManager, API: "10.0.0.1:6720", Number: 1},
		&api.Node{Meta: api.Meta{ID: "w1"}, Name: "w1", Role: api.RoleWorker, Number: 2, Runs: true},
		&api.Node{Meta: api.Meta{ID: "w2"}, Name: "w2", Role: api.RoleWorker, Number: 3, Runs: true, Labels: map[string]string{"planted-label": "x"}},
		&api.NodeStatus{Meta: api.Meta{ID: "w2"}, State: api.NodeReady, Manager: "m1", Session: "s2"},
		&api.Secret{Meta: api.Meta{ID: "secret1"}, Name: "key", Current: 1, Spec: api.FileSpec{Name: "key", Data: []byte("planted-secret-content")}},
		&api.Config{Meta: api.Meta{ID: "config1"}, Name: "conf", Current: 1, Spec: api.FileSpec{Name: "conf", Data: []byte("planted-config-content")}},
		&api.Service{Meta: api.Meta{ID: "mine1"}, Name: "mine", Current: 1},
		&api.Revision{Meta: api.Meta{ID: "mine1.1"}, Service: "mine1", Number: 1, Spec: api.ServiceSpec{Name: "mine", Container: api.ContainerSpec{Image: "web:1"}}},
		&api.Service{Meta: api.Meta{ID: "theirs1"}, Name: "theirs", Current: 1},
		&api.Revision{Meta: api.Meta{ID: "theirs1.1"}, Service: "theirs1", Number: 1, Spec: other},
		&api.Task{Meta: api.Meta{ID: "mytask"}, Service: "mine1", Revision: 1, Slot: 1, Node: "w1", Desired: api.DesiredRun},
		&api.Task{Meta: api.Meta{ID: "theirtask"}, Service: "theirs1", Revision: 1, Slot: 1, Node: "w2", Desired: api.DesiredRun},
		&api.TaskStatus{Meta: api.Meta{ID: "theirtask"}, Node: "w2", State: api.TaskRunning},
	} {
		tx.Set(object)
	}
	_, err = i.store.Commit(t.Context(), tx)
	require.NoError(t, err)
	limits := limit.Default()
	limits.Costs, limits.CostsBurst = math.MaxInt32, math.MaxInt32 // else most would be refused unread
	i.server = New(Config{Store: i.store, Node: "m1", Credentials: issue(t, authority, "m1", api.RoleManager), Limits: limits}, zap.NewNop())
	answers := rest.New(rest.Config{Store: i.store, Dispatcher: i.server.dispatcher, Managers: i.server.managers, Keys: plantedKeys{}, Node: "m1", Log: zap.NewNop()})
	i.handler = i.server.handler(answers)
	leaf := issue(t, authority, "w1", api.RoleWorker).Leaf()
	block, _ := pem.Decode(authority.Roots())
	root, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	i.tls = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf, root}}}

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- i.server.dispatcher.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		i.store.Close()
	})
	require.Eventually(t, func() bool { // the dispatcher has begun
		i.session(&wire.Up{Hello: hello("w1")})
		return store.Get[api.NodeStatus](i.store.Snapshot(), "w1") != nil
	}, patience, time.Millisecond)
	return i
}

func hello(hostname string) *wire.Hello {
	return &wire.Hello{Protocol: wire.Protocol, Session: api.NewID(), Info: api.NodeInfo{Hostname: hostname}}
}

// session says something as w1, and returns what it was told.
func (i *insider) session(says ...*wire.Up) *httptest.ResponseRecorder {
	i.t.Helper()
	var body bytes.Buffer
	for _, each := range says {
		require.NoError(i.t, wire.Write(&body, each))
	}
	return i.open(&body)
}

// open begins a session in which w1 says body.
func (i *insider) open(body io.Reader) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(i.t.Context(), http.MethodPost, "/v1/session", nil)
	request.TLS = i.tls
	upgrade.Mark(request)
	return answerTo(i.handler, request, body)
}

// plantedKeys are what a worker must never be given.
type plantedKeys struct{ rest.Keys }

// ask sends a request as it would come over the wire; nil when it is no HTTP.
func (i *insider) ask(raw []byte) (*http.Request, *httptest.ResponseRecorder) {
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, nil
	}
	request.TLS, request.RemoteAddr = i.tls, "10.0.0.9:1"
	if request.URL.Path == "/v1/session" {
		upgrade.Mark(request)
	} else {
		request.ProtoMajor, request.ProtoMinor = 2, 0
	}
	return request, answerTo(i.handler, request.WithContext(i.t.Context()), request.Body)
}

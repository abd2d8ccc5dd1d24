package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
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
	i.tls = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf, leaf}}}

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
	request := httptest.NewRequestWithContext(i.t.Context(), http.MethodPost, "/v1/session", &body)
	request.TLS, request.ProtoMajor = i.tls, 2
	answer := httptest.NewRecorder()
	i.handler.ServeHTTP(answer, request)
	require.Equal(i.t, http.StatusOK, answer.Code)
	return answer
}

// plantedKeys are what a worker must never be given.
type plantedKeys struct{ rest.Keys }

func (plantedKeys) NewUnlockKey() string         { return "planted-unlock-key" }
func (plantedKeys) KeyID(string) (string, error) { return "planted-unlock-key", nil }
func (plantedKeys) Lock() error                  { panic("a worker has locked the manager") }
func (plantedKeys) Ring() ([]byte, error)        { return []byte("planted-ring"), nil }
func (plantedKeys) Derive(string) [16]byte       { panic("a worker was shown a token") }

// ask sends a request as it would come over the wire; nil when it is no HTTP.
func (i *insider) ask(raw []byte) (*http.Request, *httptest.ResponseRecorder) {
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, nil
	}
	request.TLS, request.RemoteAddr = i.tls, "10.0.0.9:1"
	request.ProtoMajor, request.ProtoMinor = 2, 0
	answer := httptest.NewRecorder()
	i.handler.ServeHTTP(answer, request.WithContext(i.t.Context()))
	return request, answer
}

// TestAWorkersCertificateOpensNothingElse sends a hundred thousand requests with
// it. The seed is fixed; -v prints it.
func TestAWorkersCertificateOpensNothingElse(t *testing.T) {
	const requests = 100_000
	seed := [2]uint64{5, 100_000}
	t.Logf("seed %d, %d", seed[0], seed[1])
	i := newInsider(t)
	watcher := i.store.Watch()
	defer watcher.Close()
	first, err := watcher.Next(t.Context())
	require.NoError(t, err)
	mayAnswer := []string{"/v1/version", "/v1/ca", "/v1/renew", "/v1/session"}
	forbidden := slices.Clone(planted)
	for _, word := range planted {
		forbidden = append(forbidden, base64.StdEncoding.EncodeToString([]byte(word)))
	}
	key, err := json.Marshal(i.cluster.CAKey)
	require.NoError(t, err)
	forbidden = append(forbidden, string(i.cluster.CAKey[40:80]), string(key[40:80]))

	g := newGuesser(rand.New(rand.NewPCG(seed[0], seed[1])), i.server)
	statuses := make(map[int]int)
	for n := range requests {
		raw := g.request()
		request, answer := i.ask(raw)
		if request == nil {
			statuses[0]++
			continue
		}
		statuses[answer.Code]++
		if answer.Code < 300 && !slices.Contains(mayAnswer, request.URL.Path) {
			t.Fatalf("request %d is answered with %d:\n%q", n, answer.Code, raw)
		}
		said := fmt.Sprint(answer.Header()) + answer.Body.String()
		for _, word := range forbidden {
			if strings.Contains(said, word) {
				t.Fatalf("request %d is told %q:\n%q", n, word, raw)
			}
		}
	}
	t.Log(statuses)
	require.Greater(t, statuses[http.StatusForbidden], requests/4)
	require.Positive(t, statuses[http.StatusOK])

	// What changed is the node's own.
	own := 0
	for first.Snapshot.Revision() < i.store.Snapshot().Revision() {
		update, err := watcher.Next(t.Context())
		require.NoError(t, err)
		for _, change := range update.Changes {
			mine := change.Kind == api.KindNodeStatus && change.ID == "w1" || change.Kind == api.KindTaskStatus && change.ID == "mytask"
			require.True(t, mine, "%s %s was changed", change.Kind, change.ID)
			own++
		}
		first = update
	}
	require.Positive(t, own, "some sessions were real")
	require.Equal(t, api.TaskRunning, store.Get[api.TaskStatus](i.store.Snapshot(), "theirtask").State)
}

// guesser makes requests that somebody might try.
type guesser struct {
	*rand.Rand
	patterns []string
}

func newGuesser(random *rand.Rand, s *Server) *guesser {
	g := &guesser{Rand: random}
	for _, route := range rest.Routes() {
		g.patterns = append(g.patterns, route.Method+" "+route.Path)
	}
	for _, route := range s.routes() {
		g.patterns = append(g.patterns, route.pattern)
	}
	return g
}

func pick[T any](g *guesser, from ...T) T { return from[g.IntN(len(from))] }

func (g *guesser) request() []byte {
	method, path, _ := strings.Cut(pick(g, g.patterns...), " ")
	if g.IntN(4) == 0 {
		method = pick(g, "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "X")
	}
	path = g.twist(path)
	if strings.HasPrefix(path, "/v1/session") && g.IntN(20) > 0 {
		path = "/v1/secrets" // a session takes some milliseconds
	}
	body := g.body()
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, path, pick(g, "m1", "localhost", "unix", ""), len(body))
	for range g.IntN(4) {
		raw.WriteString(pick(g,
			"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Authorization: Bearer planted", "X-Remote-User: root", "X-Orc-Role: manager",
			"X-HTTP-Method-Override: GET", "X-Original-URL: /v1/secrets", "Forwarded: for=127.0.0.1", "Upgrade: h2c", "Connection: Upgrade",
			"X-Forwarded-Client-Cert: Subject=\"OU=manager,CN=m1\"", "Cookie: role=manager", "Accept: */*", "Expect: 100-continue", "Range: bytes=0-10",
		) + "\r\n")
	}
	raw.WriteString("\r\n")
	raw.Write(body)
	return raw.Bytes()
}

// twist fills in what a path leaves open, and tries tricks.
func (g *guesser) twist(path string) string {
	for _, hole := range []string{"{ref}", "{role}", "{node}", "{id}"} {
		path = strings.ReplaceAll(path, hole, pick(g,
			"theirtask", "theirs", "theirs1", "theirs.1", "mine", "mytask", "w1", "w2", "m1", "self", "secret1", "key", "config1", "conf", "manager", "worker",
			"..", "%2e%2e", ".", "*", "%00", "a%2f..%2fb", url.PathEscape(strings.Repeat("x", 300)), "", "theirs1.1", "cluster",
		))
	}
	switch g.IntN(8) {
	case 0:
		path = strings.Replace(path, "/v1", pick(g, "//v1", "/v1/", "/v1/.", "/v1/session/..", "/v1/version/..", "/v1%2f", "/V1", "/v1/renew/%2e%2e", "/v1/../v1", "/v1;x", "http://m1/v1"), 1)
	case 1:
		path += pick(g, "/", "/..", "//", "%2f", ";a=b", ".json", "/../../v1/secrets", "%20", "/%2e%2e/%2e%2e/v1/configs", "#x")
	}
	for range g.IntN(3) {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + pick(g, "force=1", "all=1", "node=w2", "service=theirs", "task=theirtask", "app=x", "follow=0", "stream=0", "role=manager", "as=m1", "_method=DELETE", "since=0s", "tail=1", "%zz", "ID=w2")
	}
	return path
}

func (g *guesser) body() []byte {
	switch g.IntN(6) {
	case 0:
		return nil
	case 1:
		return []byte(pick(g, "{}", "null", "[]", "{", strings.Repeat("[", 1000), `{"role": "manager"}`, `{"availability": "drain"}`, `{"key": "x"}`))
	case 2:
		return must(json.Marshal(pick[any](g,
			api.ServiceCreate{Spec: api.ServiceSpec{Name: "evil", Container: api.ContainerSpec{Image: "web:1"}}},
			api.FileSpec{Name: "evil", Data: []byte("x")}, api.ClientRequest{Name: "evil"}, api.TokenRequest{Role: api.RoleManager, Uses: 1},
			api.MemberRequest{Peer: "10.0.0.9:6721", API: "10.0.0.9:6720"}, api.JoinRequest{Secret: api.NewID(), Role: api.RoleManager, Name: "evil"},
			api.Settings{Autolock: true}, api.NetworkSpec{Name: "evil"}, api.VolumeSpec{Name: "evil"}, wire.ExecRequest{Task: "theirtask", Args: []string{"sh"}},
		)))
	case 3:
		random := make([]byte, g.IntN(200))
		for i := range random {
			random[i] = byte(g.Uint32())
		}
		return random
	case 4:
		var frames bytes.Buffer
		frame := must(wire.Marshal(wire.ExecRequest{Task: "theirtask", Args: []string{"sh"}}))
		_ = wire.WriteFrame(&frames, wire.Data, frame) // to memory
		return frames.Bytes()
	}
	return g.session()
}

// session is what a lying node might say: of others' tasks, in others' names.
func (g *guesser) session() []byte {
	var body bytes.Buffer
	write := func(message any) { _ = wire.Write(&body, message) } // to memory
	if g.IntN(2) == 0 {
		write(&wire.Open{Do: &wire.DoRequest{Images: true}})
	}
	write(&wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: pick(g, strings.Repeat("s", api.IDLength), "s2", ""), Info: api.NodeInfo{Hostname: "w2"}}})
	for range g.IntN(4) {
		write(&wire.Up{
			Applied: pick[int64](g, 0, 1, math.MaxInt64, -1),
			Statuses: []api.TaskStatus{{
				Meta: api.Meta{ID: pick(g, "theirtask", "mytask", "secret1", "w2", "cluster", "")}, Node: pick(g, "w1", "w2", "m1"),
				State: pick(g, api.TaskRunning, api.TaskFailed, api.TaskComplete, api.TaskLost, "king"),
			}},
			Info:    pick(g, nil, &api.NodeInfo{Hostname: "m1"}),
			Leaving: g.IntN(4) == 0,
		})
	}
	return body.Bytes()
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err) // the values above can be encoded
	}
	return value
}

// TestOwnRoutesForEveryRole is the matrix of what package rest does not have.
func TestOwnRoutesForEveryRole(t *testing.T) {
	i := newInsider(t)
	for _, route := range i.server.routes() {
		require.NotEmpty(t, route.roles, route.pattern)
		method, path, _ := strings.Cut(route.pattern, " ")
		path = strings.NewReplacer("{id}", "nothing", "{node}", "w2").Replace(path)
		for _, role := range []string{"", ca.RoleWorker, ca.RoleManager, ca.RoleClient, ca.RoleLocal, "impostor"} {
			ctx := t.Context()
			if role != "" {
				ctx = ca.WithPeer(ctx, ca.Peer{ID: "w1", Role: role, Cluster: "cluster1"})
			}
			answer := httptest.NewRecorder()
			request := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(""))
			request.ProtoMajor = 2
			i.handler.ServeHTTP(answer, request)
			want := slices.Contains(route.roles, role)
			refused := answer.Code == http.StatusUnauthorized || answer.Code == http.StatusForbidden
			require.Equal(t, want, !refused, "%s as %q: %d %s", route.pattern, role, answer.Code, answer.Body)
		}
	}
}

// TestALyingSessionHarmsNobodyElse says all that a session can say about others.
func TestALyingSessionHarmsNobodyElse(t *testing.T) {
	i := newInsider(t)
	before := i.store.Snapshot()
	answer := i.session(&wire.Up{Hello: hello("liar")}, &wire.Up{Applied: math.MaxInt64, Statuses: []api.TaskStatus{
		{Meta: api.Meta{ID: "theirtask"}, Node: "w1", State: api.TaskFailed},
		{Meta: api.Meta{ID: "theirtask"}, Node: "w2", State: api.TaskFailed},
		{Meta: api.Meta{ID: "secret1"}, Node: "w1", State: api.TaskRunning},
		{Meta: api.Meta{ID: "w2"}, Node: "w1", State: api.TaskRunning},
		{Meta: api.Meta{ID: "mytask"}, Node: "w2", State: api.TaskRunning},
	}})
	require.Eventually(t, func() bool {
		return store.Get[api.TaskStatus](i.store.Snapshot(), "mytask") != nil
	}, patience, time.Millisecond, "its own is written")
	after := i.store.Snapshot()
	require.Equal(t, "w1", store.Get[api.TaskStatus](after, "mytask").Node, "as its own")
	require.Same(t, store.Get[api.TaskStatus](before, "theirtask"), store.Get[api.TaskStatus](after, "theirtask"))
	require.Same(t, store.Get[api.NodeStatus](before, "w2"), store.Get[api.NodeStatus](after, "w2"))
	require.Equal(t, "liar", store.Get[api.NodeStatus](after, "w1").Info.Hostname)
	require.Nil(t, store.Get[api.TaskStatus](after, "secret1"))
	require.LessOrEqual(t, i.server.dispatcher.Floor(), after.Revision(), "nobody waits for less because of it")
	for _, word := range planted {
		require.NotContains(t, answer.Body.String(), word)
	}
}

// FuzzSession lets a worker say anything in its session: what is not its own stays
// as it is.
func FuzzSession(f *testing.F) {
	var seed bytes.Buffer
	require.NoError(f, wire.Write(&seed, &wire.Up{Hello: hello("w1")}))
	require.NoError(f, wire.Write(&seed, &wire.Up{Statuses: []api.TaskStatus{{Meta: api.Meta{ID: "theirtask"}, State: api.TaskFailed}}, Applied: 1, Leaving: true}))
	f.Add(seed.Bytes())
	f.Add(seed.Bytes()[:seed.Len()/2])
	f.Fuzz(func(t *testing.T, said []byte) {
		i := newInsider(t)
		before := i.store.Snapshot()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/session", bytes.NewReader(said))
		request.TLS, request.ProtoMajor = i.tls, 2
		answer := httptest.NewRecorder()
		i.handler.ServeHTTP(answer, request)
		after := i.store.Snapshot()
		require.Same(t, store.Get[api.TaskStatus](before, "theirtask"), store.Get[api.TaskStatus](after, "theirtask"))
		require.Same(t, store.Get[api.NodeStatus](before, "w2"), store.Get[api.NodeStatus](after, "w2"))
		for _, word := range planted {
			require.NotContains(t, answer.Body.String(), word)
		}
	})
}

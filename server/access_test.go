package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

func (plantedKeys) NewUnlockKey() string { return "planted-unlock-key" }

func (plantedKeys) KeyID(string) (string, error) { return "planted-unlock-key", nil }

func (plantedKeys) Lock() error { panic("a worker has locked the manager") }

func (plantedKeys) Ring() ([]byte, error) { return []byte("planted-ring"), nil }

func (plantedKeys) Derive(string) [16]byte { panic("a worker was shown a token") }

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
		answer := i.open(bytes.NewReader(said))
		after := i.store.Snapshot()
		require.Same(t, store.Get[api.TaskStatus](before, "theirtask"), store.Get[api.TaskStatus](after, "theirtask"))
		require.Same(t, store.Get[api.NodeStatus](before, "w2"), store.Get[api.NodeStatus](after, "w2"))
		for _, word := range planted {
			require.NotContains(t, answer.Body.String(), word)
		}
	})
}

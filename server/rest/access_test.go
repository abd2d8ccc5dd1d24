package rest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
)

// TestEveryRouteForEveryRole asks each route as each role. What a role may not
// use is refused before anything is looked at; else the answer is anything but
// that.
func TestEveryRouteForEveryRole(t *testing.T) {
	may := map[string][]Access{
		"":             {Anybody},
		ca.RoleWorker:  {Anybody, Nodes},
		ca.RoleManager: {Anybody, Nodes, OtherManagers, Users},
		ca.RoleClient:  {Anybody, Users},
		ca.RoleLocal:   {Anybody, Users},
		"impostor":     {Anybody},
	}
	m := newManager(t)
	(&disks{}).answer(m)
	require.NotEmpty(t, Routes())
	for _, route := range Routes() {
		require.NotEmpty(t, route.Access, route.Path)
		for role, accesses := range may {
			path := strings.NewReplacer("{ref}", "nothing", "{role}", "nobody").Replace(route.Path)
			request := httptest.NewRequestWithContext(m.ctx, route.Method, path, strings.NewReader("not JSON"))
			if role != "" {
				request = request.WithContext(ca.WithPeer(m.ctx, ca.Peer{ID: "n2id", Role: role, Cluster: "cluster1"}))
			}
			answer := httptest.NewRecorder()
			m.api.ServeHTTP(answer, request)
			allowed := false
			for _, access := range accesses {
				allowed = allowed || access == route.Access
			}
			refused := answer.Code == http.StatusUnauthorized || answer.Code == http.StatusForbidden
			require.Equal(t, allowed, !refused, "%s %s as %q: %d %s", route.Method, route.Path, role, answer.Code, answer.Body)
			if refused {
				want := http.StatusForbidden
				if role == "" {
					want = http.StatusUnauthorized
				}
				require.Equal(t, want, answer.Code)
			}
			require.NotEqual(t, http.StatusInternalServerError, answer.Code, "%s %s: %s", route.Method, route.Path, answer.Body)
		}
	}
}

func TestWhatIsOpenToAnybodyIsThis(t *testing.T) {
	var open, nodes, managers []string
	for _, route := range Routes() {
		switch route.Access {
		case Anybody:
			open = append(open, route.Method+" "+route.Path)
		case Nodes:
			nodes = append(nodes, route.Method+" "+route.Path)
		case OtherManagers:
			managers = append(managers, route.Method+" "+route.Path)
		}
	}
	require.Equal(t, []string{"GET /v1/version", "GET /v1/ca", "POST /v1/join"}, open)
	require.Equal(t, []string{"POST /v1/renew"}, nodes)
	require.Equal(t, []string{"POST /v1/members", "GET /v1/ring"}, managers)
}

func TestNoAnswerHasASecret(t *testing.T) {
	m := newManager(t)
	(&disks{}).answer(m)
	spec := shop()
	web := spec.Services["web"]
	web.Container.RegistryAuth = "cGFzc3dvcmQ6aHVudGVyMg"
	spec.Services["web"] = web
	spec.Secrets["key"] = api.FileSpec{Data: []byte("top-secret-content")}
	m.deploy(spec)
	cluster, err := clusterOf(m.store.Snapshot())
	require.NoError(t, err)
	forbidden := []string{"cGFzc3dvcmQ6aHVudGVyMg", base64Of("top-secret-content"), base64Of(string(cluster.CAKey))}
	var tokens []string
	for _, role := range []api.Role{api.RoleWorker, api.RoleManager} {
		token, err := ca.StandingToken(cluster, locksmith{}, role)
		require.NoError(t, err)
		tokens = append(tokens, token.Token)
	}
	refs := map[string][]string{
		"/v1/nodes/": {"n1"}, "/v1/services/": {"shop_web"}, "/v1/apps/": {"shop"}, "/v1/secrets/": {"shop_key"}, "/v1/configs/": {"shop_conf"},
		"/v1/networks/": {"shop_default"}, "/v1/volumes/": {"shop_data"},
	}
	asked := 0
	for _, route := range Routes() {
		if route.Method != http.MethodGet || route.Access == OtherManagers || strings.HasPrefix(route.Path, "/v1/logs") {
			continue
		}
		paths := []string{strings.Replace(route.Path, "{role}", "worker", 1)}
		if before, after, found := strings.Cut(route.Path, "{ref}"); found {
			paths = nil
			for _, ref := range refs[before] {
				paths = append(paths, before+ref+after)
			}
		}
		for _, path := range paths {
			answer := httptest.NewRecorder()
			request := httptest.NewRequestWithContext(ca.WithPeer(m.ctx, ca.Peer{Role: ca.RoleLocal}), route.Method, path, nil)
			m.api.ServeHTTP(answer, request)
			require.Equal(t, http.StatusOK, answer.Code, "%s: %s", path, answer.Body)
			asked++
			for _, secret := range forbidden {
				require.NotContains(t, answer.Body.String(), secret, path)
			}
			if path != "/v1/unlock-key" {
				require.NotContains(t, answer.Body.String(), cluster.UnlockKey, path)
			}
			if strings.TrimPrefix(path, "/v1/tokens/") == path {
				for _, token := range tokens {
					require.NotContains(t, answer.Body.String(), token, path)
				}
			}
		}
	}
	require.Greater(t, asked, 20)
}

func TestBadRequestsAreRefusedInWords(t *testing.T) {
	m := newManager(t)
	m.others.needed = api.Conflictf("n1 is the last manager")
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		words              string
	}{
		"an unknown field":        {"POST", "/v1/services", `{"spec": {"name": "x", "imagine": 1}}`, 400, `unknown field "imagine"`},
		"a wrong type":            {"POST", "/v1/services", `{"spec": {"name": 7}}`, 400, "name"},
		"cut short":               {"POST", "/v1/services", `{"spec": {`, 400, "cut short"},
		"no body":                 {"POST", "/v1/services", ``, 400, "no body"},
		"more after it":           {"POST", "/v1/services", `{} {}`, 400, "after its JSON"},
		"too large":               {"POST", "/v1/services", `{"spec": {"name": "` + strings.Repeat("x", smallBody) + `"}}`, 413, "larger than"},
		"an unknown route":        {"GET", "/v1/nothing", ``, 404, "/v1/nothing"},
		"an unknown method":       {"DELETE", "/v1/services", ``, 404, "DELETE"},
		"a flag that is none":     {"DELETE", "/v1/nodes/n2?force=maybe", ``, 400, "force"},
		"a role that is none":     {"GET", "/v1/tokens/king", ``, 400, "king"},
		"a time that is none":     {"GET", "/v1/events?since=yesterday", ``, 400, "yesterday"},
		"logs of nothing":         {"GET", "/v1/logs", ``, 400, "one of service"},
		"a tail that is none":     {"GET", "/v1/logs?task=nothing&tail=-3", ``, 404, "nothing"},
		"a desired that is none":  {"GET", "/v1/tasks?desired=lunch", ``, 400, "lunch"},
		"a manager to be removed": {"DELETE", "/v1/nodes/n1?force=1", ``, 409, "manager"},
		"a node that is up":       {"DELETE", "/v1/nodes/n2", ``, 409, "--force"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := httptest.NewRecorder()
			request := httptest.NewRequestWithContext(ca.WithPeer(m.ctx, ca.Peer{Role: ca.RoleLocal}), test.method, test.path, strings.NewReader(test.body))
			m.api.ServeHTTP(answer, request)
			require.Equal(t, test.status, answer.Code, answer.Body.String())
			told := &api.Error{}
			require.NoError(t, json.Unmarshal(answer.Body.Bytes(), told))
			require.Contains(t, told.Message, test.words)
		})
	}
}

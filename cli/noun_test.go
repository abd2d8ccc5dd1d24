package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestLogsNameTheirTasksAndKeepTheStreamsApart(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/services/web", web(nil))
	f.on("GET /v1/logs", []string{
		`{"time":"2026-01-02T03:04:05Z","stream":"stdout","text":"one","name":"web.1","nodeName":"n1","container":"c1"}`,
		`{"time":"2026-01-02T03:04:06Z","stream":"stdout","text":"long ","partial":true,"name":"web.10","nodeName":"n1","container":"c2"}`,
		`{"time":"2026-01-02T03:04:06Z","stream":"stderr","text":"two","name":"web.1","nodeName":"n1","container":"c1"}`,
		`{"time":"2026-01-02T03:04:06Z","stream":"stdout","text":"line","name":"web.10","nodeName":"n1","container":"c2"}`,
		`{"name":"web.2","error":"node n2 is down: its lines\u001b[2J\u009b2J\nare missing"}`,
	})
	code, out, errors := f.orc("service", "logs", "web")
	require.Zero(t, code)
	require.Equal(t, "web.1@n1 | one\nweb.10@n1 | long line\n", out)
	require.Equal(t, "web.1@n1 | two\norc: web.2 node n2 is down: its lines [2J 2J are missing\n", errors)

	out = f.ok("logs", "--raw", "-t", "--tail", "5", "--since", "10s", "web")
	require.Equal(t, "2026-01-02T03:04:05.000000000Z one\n2026-01-02T03:04:06.000000000Z long line\n", out)
}

func TestLogsOfATaskHaveNoPrefix(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/services/web.1", api.NotFoundf("no service web.1"))
	task := api.TaskView{}
	task.ID = "task1"
	f.on("GET /v1/tasks/web.1", task)
	f.on("GET /v1/logs", []string{`{"time":"2026-01-02T03:04:05Z","stream":"stdout","text":"one","name":"web.1","nodeName":"n1"}`})
	require.Equal(t, "one\n", f.ok("logs", "web.1"))

	f.on("GET /v1/services/nope", api.NotFoundf("no service nope"))
	f.on("GET /v1/tasks/nope", api.NotFoundf("no task nope"))
	f.on("GET /v1/containers/nope", api.NotFoundf("no container nope"))
	code, _, errors := f.orc("logs", "nope")
	require.Equal(t, 1, code)
	require.Equal(t, "orc: there is no service, task or container nope\n", errors)
}

func TestPsShowsContainersAsDockerDoes(t *testing.T) {
	f := newFake(t)
	healthy := true
	now := time.Now()
	f.on("GET /v1/containers", []api.ContainerView{
		{ID: "0123456789abcdef", Name: "web.1", NodeName: "n1", Image: "web:1", Command: "serve", State: api.TaskRunning, Healthy: &healthy,
			Attempt: api.Attempt{Started: now.Add(-3 * time.Minute)}},
		{ID: "ended", Name: "web.2", NodeName: "n2", State: api.TaskFailed, Attempt: api.Attempt{Started: now, Finished: now.Add(-2 * time.Hour), ExitCode: 3}},
	})
	require.Equal(t, "0123456789ab web.1 Up 3 minutes (healthy)\nended web.2 Exited (3) 2 hours ago\n", f.ok("ps", "-a", "--format", "{{.ID}} {{.Name}} {{.Status}}"))
	require.Equal(t, "0123456789abcdef\n", f.ok("ps", "-q", "--filter", "health=healthy"))
	require.Contains(t, f.ok("ps", "--no-trunc"), "0123456789abcdef   web.1   web:1   serve")
}

func TestRmForce(t *testing.T) {
	f := newFake(t)
	f.on("DELETE /v1/containers/c1", struct{}{})
	require.Equal(t, "c1\n", f.ok("rm", "-f", "c1"))
}

func TestTokens(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/tokens/worker", api.JoinToken{Role: api.RoleWorker, Token: "ORC-1-x", Command: "orc agent --join a --token ORC-1-x"})
	f.on("POST /v1/tokens/worker/rotate", api.JoinToken{Role: api.RoleWorker, Token: "ORC-1-y", Command: "orc agent --join a --token ORC-1-y"})
	require.Contains(t, f.ok("token", "worker"), "\n    orc agent --join a --token ORC-1-x\n")
	require.Equal(t, "ORC-1-y\n", f.ok("token", "worker", "--rotate", "-q"))

	f.on("POST /v1/tokens", api.JoinToken{
		ID: "0123456789abcdef", Role: api.RoleManager, Token: "ORC-1-z", Command: "orc server --join a --token ORC-1-z", Uses: 2, Expires: time.Now().Add(time.Hour),
	})
	limited := f.ok("token", "manager", "--uses", "2", "--expires", "1h")
	require.Contains(t, limited, "orc server --join a --token ORC-1-z\n")
	require.Contains(t, limited, "It is good for 2 hosts, until ")
	require.Contains(t, limited, "`orc token rm 0123456789ab`")
	require.Equal(t, api.TokenRequest{Role: api.RoleManager, Uses: 2, Expires: api.Duration(time.Hour)}, sent[api.TokenRequest](f))

	f.on("GET /v1/tokens", []api.TokenView{
		{ID: "0123456789abcdef", Role: api.RoleManager, Created: time.Now(), Uses: 2, Expires: time.Now().Add(time.Hour)},
		{ID: "fedcba9876543210", Role: api.RoleWorker, Created: time.Now(), Standing: true},
	})
	list := f.ok("token", "ls")
	require.Regexp(t, `0123456789ab +manager +in 59 minutes +2 `, list)
	require.Regexp(t, `fedcba987654 +worker +never +any `, list)
	f.on("DELETE /v1/tokens/0123456789ab", nil)
	require.Equal(t, "0123456789ab\n", f.ok("token", "rm", "0123456789ab"))
}

func TestImageLoadTellsOfEveryNode(t *testing.T) {
	f := newFake(t)
	archive := filepath.Join(t.TempDir(), "web.tar")
	require.NoError(t, os.WriteFile(archive, []byte("an archive"), 0o600))
	f.on("POST /v1/images", []string{
		`{"nodeName":"n1","state":"loaded"}`, `{"nodeName":"n2","state":"failed","message":"disk is full"}`,
		`{"state":"done","images":[{"name":"docker.io/library/web:1"}]}`,
	})
	code, out, errors := f.orc("image", "load", archive)
	require.Equal(t, 1, code)
	require.Equal(t, "Loaded image: web:1\n", out)
	require.Equal(t, "n1: loaded\norc: node n2: disk is full\n", errors)
	require.Equal(t, "an archive", string(f.request))

	code, _, _ = f.orcWith("from a pipe", "image", "load", "-q", "-")
	require.Equal(t, 1, code)
	require.Equal(t, "from a pipe", string(f.request))

	code, _, errors = f.orc("image", "load", "/does/not/exist")
	require.Equal(t, 1, code)
	require.Contains(t, errors, "no such file")
}

func TestSecretsAreReadFromFilesAndPipes(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/secrets", api.Secret{Meta: api.Meta{ID: "s1"}, Name: "key"})
	code, out, _ := f.orcWith("hush", "secret", "create", "--label", "a=b", "key", "-")
	require.Zero(t, code)
	require.Equal(t, "s1\n", out)
	require.Equal(t, api.FileSpec{Name: "key", Data: []byte("hush"), Labels: map[string]string{"a": "b"}}, sent[api.FileSpec](f))

	code, _, errors := f.orcWith(string(make([]byte, api.MaxSecretSize+1)), "secret", "create", "key", "-")
	require.Equal(t, 1, code)
	require.Contains(t, errors, "more than 500 KiB")
	code, _, errors = f.orc("config", "create", "conf", "-")
	require.Equal(t, 1, code)
	require.Contains(t, errors, "it is empty")
}

func TestEventsAreFilteredAndFormatted(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/events", []string{
		`{"time":"2026-01-02T03:04:05Z","type":"task","action":"failed","id":"t1","name":"web.1","attributes":{"service":"web","exitCode":"3"}}`,
		`{"time":"2026-01-02T03:04:06Z","type":"node","action":"down","id":"n1","name":"n1"}`,
	})
	require.Regexp(t, `task failed web.1 \(exitCode=3, service=web\)\n$`, f.ok("events", "--since", "1h", "--until", "0s", "--filter", "service=web"))
	require.Equal(t, "n1 down\n", f.ok("events", "--until", "0s", "--filter", "type=node", "--format", "{{.Name}} {{.Action}}"))
}

func TestStats(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/stats", []string{`[{"container":"c2","name":"web.2","memory":1048576},{"container":"c1","name":"web.1","nodeName":"n1","cpuPercent":12.345,"memory":1048576,"memoryLimit":4194304,"pids":7}]`})
	require.Equal(t, "web.1 12.35% 1MiB / 4MiB 25.00% 7\nweb.2 0.00% 1MiB / - - 0\n",
		f.ok("stats", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.PIDs}}"))
	f.on("GET /v1/containers/web.2", api.ContainerView{ID: "c2", Task: "t2"})
	require.Equal(t, "c2\n", f.ok("stats", "--no-stream", "-q", "web.2"))
}

func TestNodeUpdateSendsWhatIsNamedOnly(t *testing.T) {
	f := newFake(t)
	f.on("PATCH /v1/nodes/n2", api.NodeView{})
	f.ok("node", "update", "--availability", "drain", "--label-add", "zone=a", "--label-rm", "disk", "n2")
	require.Equal(t, api.NodeUpdate{Availability: pointer(api.AvailabilityDrain), LabelsAdd: map[string]string{"zone": "a"}, LabelsRemove: []string{"disk"}}, sent[api.NodeUpdate](f))
	f.ok("node", "promote", "--detach", "n2")
	require.Equal(t, api.NodeUpdate{Role: pointer(api.RoleManager)}, sent[api.NodeUpdate](f))
}

func TestPromoteWaitsUntilTheNodeVotes(t *testing.T) {
	f := newFake(t)
	at := func(state api.ManagerState) api.NodeView {
		return api.NodeView{Node: api.Node{Meta: api.Meta{ID: "id2"}, Name: "n2", Role: api.RoleManager}, Manager: state}
	}
	f.on("GET /v1/nodes/n2", api.NodeView{Node: api.Node{Role: api.RoleWorker}})
	f.on("PATCH /v1/nodes/n2", at(api.ManagerJoining))
	f.steps("GET /v1/nodes/id2", at(api.ManagerJoining), at(api.ManagerLearner), api.Errorf(api.CodeUnavailable, "no leader"), at(api.ManagerReachable))
	code, out, errors := f.orc("node", "promote", "n2")
	require.Zero(t, code)
	require.Equal(t, "n2\n", out)
	require.Equal(t, "n2: it joins the managers' database\nn2: its database catches up\n", errors)
}

func TestPromoteDoesNotWaitForAManagerThatVotesAndIsDown(t *testing.T) {
	f := newFake(t)
	node := api.NodeView{Node: api.Node{Meta: api.Meta{ID: "id2"}, Name: "n2", Role: api.RoleManager}, Manager: api.ManagerUnreachable}
	f.on("GET /v1/nodes/n2", node)
	f.on("PATCH /v1/nodes/n2", node)
	require.Equal(t, "n2\n", f.ok("node", "promote", "n2"))
}

func TestPromoteMakesAllManagersBeforeItWaits(t *testing.T) {
	f := newFake(t)
	var asked []string
	for _, name := range []string{"n2", "n3"} {
		node := api.NodeView{Node: api.Node{Meta: api.Meta{ID: "id-" + name}, Name: name, Role: api.RoleWorker}}
		f.on("GET /v1/nodes/"+name, node)
		node.Role, node.Manager = api.RoleManager, api.ManagerJoining
		f.mux.HandleFunc("PATCH /v1/nodes/"+name, func(w http.ResponseWriter, _ *http.Request) {
			asked = append(asked, "promote "+name)
			json.NewEncoder(w).Encode(node)
		})
		f.mux.HandleFunc("GET /v1/nodes/id-"+name, func(w http.ResponseWriter, _ *http.Request) {
			asked = append(asked, "look at "+name)
			voter := node
			voter.Manager = api.ManagerReachable
			json.NewEncoder(w).Encode(voter)
		})
	}
	f.on("GET /v1/nodes/n4", api.Errorf(api.CodeNotFound, "no node n4"))
	code, out, errors := f.orc("node", "promote", "n2", "n4", "n3")
	require.NotZero(t, code)
	require.Contains(t, errors, "no node n4")
	require.Equal(t, "n2\nn3\n", out)
	require.Equal(t, []string{"promote n2", "promote n3", "look at n2", "look at n3"}, asked)
}

func TestPromoteSaysWhenTheNodeIsDemotedMeanwhile(t *testing.T) {
	f := newFake(t)
	node := api.NodeView{Node: api.Node{Meta: api.Meta{ID: "id2"}, Name: "n2", Role: api.RoleManager}, Manager: api.ManagerJoining}
	f.on("GET /v1/nodes/n2", node)
	f.on("PATCH /v1/nodes/n2", node)
	node.Role, node.Manager = api.RoleWorker, ""
	f.on("GET /v1/nodes/id2", node)
	code, out, errors := f.orc("node", "promote", "n2")
	require.NotZero(t, code)
	require.Empty(t, out)
	require.Contains(t, errors, "n2 was made a worker again meanwhile")
}

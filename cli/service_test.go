package cli_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func pointer[T any](value T) *T { return &value }

// web is a service as the manager answers it.
func web(edit func(*api.ServiceView)) api.ServiceView {
	var view api.ServiceView
	view.ID, view.Version, view.Name, view.Current, view.Last, view.Replicas = "svcid1", 7, "web", 1, 1, 2
	view.Spec = api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: "web:1", Digest: "sha256:old"}}
	view.Spec.Defaults()
	view.Running, view.Desired = 2, 2
	if edit != nil {
		edit(&view)
	}
	return view
}

func TestCreateSendsWhatDockersFlagsSay(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/services", api.ServiceAnswer{Service: web(nil)})
	envFile := filepath.Join(t.TempDir(), "env")
	require.NoError(t, os.WriteFile(envFile, []byte("A=file\nB=file\n"), 0o600))
	out := f.ok("service", "create", "-d", "--name", "web", "--replicas", "3", "--env-file", envFile, "-e", "A=1", "--env=C=x,y",
		"--mount", "type=bind,source=/srv,target=/srv,readonly", "-p", "8010:80", "--publish", "published=53,target=53,protocol=udp,mode=host",
		"--network", "name=front,alias=www", "--constraint", "node.labels.zone==a", "--placement-pref", "spread=node.labels.rack",
		"--limit-cpu", "0.5", "--limit-memory", "512m", "--limit-pids", "100", "--reserve-cpu", ".25", "--reserve-memory", "64m", "--generic-resource", "gpu=1",
		"--restart-condition", "on-failure", "--restart-delay", "1s", "--restart-max-attempts", "4", "--restart-window", "1m",
		"--update-parallelism", "0", "--update-delay", "2s", "--update-monitor", "3s", "--update-failure-action", "rollback", "--update-max-failure-ratio", "0.25", "--update-order", "start-first",
		"--rollback-parallelism", "2", "--rollback-order", "start-first",
		"--stop-signal", "SIGINT", "--stop-grace-period", "30s", "--health-cmd", "curl -f localhost", "--health-interval", "5s", "--health-retries", "2",
		"--hostname", "h", "-u", "1000:1000", "-w", "/work", "--entrypoint", "sh -c 'echo hi'", "-l", "tier=front", "--container-label", "c=d",
		"--read-only", "--init", "-t", "--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN", "--ulimit", "nofile=1024:4096", "--sysctl", "net.core.somaxconn=1024",
		"--secret", "source=key,target=/k,mode=0400", "--config", "conf", "--dns", "10.0.0.2", "--host", "db:10.0.0.7", "--log-opt", "max-size=1m", "--replicas-max-per-node", "2",
		"web:1", "serve", "--verbose", "-x")
	require.Equal(t, "svcid1\n", out)
	want := api.ServiceSpec{
		Name: "web", Labels: map[string]string{"tier": "front"}, Replicas: pointer(3),
		Container: api.ContainerSpec{
			Image: "web:1", Args: []string{"serve", "--verbose", "-x"}, Entrypoint: []string{"sh", "-c", "echo hi"},
			Env: []string{"A=1", "B=file", "C=x,y"}, Labels: map[string]string{"c": "d"}, Dir: "/work", User: "1000:1000", Hostname: "h",
			TTY: true, ReadOnly: true, Init: pointer(true), StopSignal: "SIGINT", StopGrace: pointer(api.Duration(30 * time.Second)),
			Mounts:  []api.Mount{{Type: api.MountBind, Source: "/srv", Target: "/srv", ReadOnly: true}},
			Secrets: []api.FileReference{{Source: "key", Target: "/k", Mode: 0o400}}, Configs: []api.FileReference{{Source: "conf"}},
			Health:  &api.HealthCheck{Test: []string{"CMD-SHELL", "curl -f localhost"}, Interval: api.Duration(5 * time.Second), Retries: 2},
			Ulimits: []api.Ulimit{{Name: "nofile", Soft: 1024, Hard: 4096}}, Sysctls: map[string]string{"net.core.somaxconn": "1024"},
			CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"CHOWN"}, DNS: []string{"10.0.0.2"}, Hosts: []string{"db:10.0.0.7"}, LogMaxSize: 1 << 20,
		},
		Resources: api.Resources{
			Limits:       api.ResourceSet{NanoCPUs: 5e8, Memory: 512 << 20, Pids: 100},
			Reservations: api.ResourceSet{NanoCPUs: 25e7, Memory: 64 << 20, Generic: map[string]int64{"gpu": 1}},
		},
		Restart:   api.RestartPolicy{Condition: api.RestartOnFailure, Delay: pointer(api.Duration(time.Second)), MaxAttempts: pointer(4), Window: api.Duration(time.Minute)},
		Placement: api.Placement{Constraints: []string{"node.labels.zone==a"}, Preferences: []api.Preference{{Spread: "node.labels.rack"}}, MaxPerNode: 2},
		Update: api.UpdateConfig{Parallelism: pointer(0), Delay: api.Duration(2 * time.Second), Monitor: pointer(api.Duration(3 * time.Second)),
			FailureAction: api.FailureRollback, MaxFailureRatio: 0.25, Order: api.StartFirst},
		Rollback: api.UpdateConfig{Parallelism: pointer(2), Order: api.StartFirst},
		Networks: []api.NetworkAttachment{{Network: "front", Aliases: []string{"www"}}},
		Ports:    []api.Port{{Protocol: "tcp", Target: 80, Published: 8010, Mode: "ingress"}, {Protocol: "udp", Target: 53, Published: 53, Mode: "host"}},
	}
	want.Defaults()
	require.Equal(t, want, sent[api.ServiceCreate](f).Spec)
}

func TestCreateWithoutNameTakesTheImages(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/services", api.ServiceAnswer{Service: web(nil)})
	f.ok("service", "create", "-d", "registry.example:5000/team/shop:2@sha256:abc", "--flag-of-the-image")
	require.Regexp(t, `^shop-[a-z0-9]{5}$`, sent[api.ServiceCreate](f).Spec.Name)
	require.Equal(t, []string{"--flag-of-the-image"}, sent[api.ServiceCreate](f).Spec.Container.Args)
}

func TestCreateRefusesWhatCannotBeRightBeforeItSends(t *testing.T) {
	f := newFake(t)
	for want, args := range map[string][]string{
		`port "x"`:            {"-p", "x", "web:1"},
		"is above the hard":   {"--ulimit", "nofile=9:1", "web:1"},
		`mode "some"`:         {"--mode", "some", "web:1"},
		"runs one task":       {"--mode", "global", "--replicas", "2", "web:1"},
		"--env-file: open":    {"--env-file", "/does/not/exist", "web:1"},
		"more than the limit": {"--limit-memory", "64m", "--reserve-memory", "1g", "web:1"},
	} {
		code, _, errors := f.orc(append([]string{"service", "create", "--name", "web"}, args...)...)
		require.Equal(t, 1, code, errors)
		require.Contains(t, errors, want)
	}
	require.Empty(t, f.request)
}

func TestUpdateChangesOnlyWhatTheFlagsSay(t *testing.T) {
	f := newFake(t)
	before := web(func(v *api.ServiceView) {
		v.Spec.Replicas = pointer(2)
		v.Spec.Container.Env = []string{"A=1", "B=2"}
		v.Spec.Container.CapDrop = []string{"CHOWN"}
		v.Spec.Labels = map[string]string{"a": "b"}
		v.Spec.Ports = []api.Port{{Protocol: "tcp", Target: 80, Published: 8010, Mode: "ingress"}}
		v.Spec.Networks = []api.NetworkAttachment{{Network: "netid1"}, {Network: "netid2"}}
	})
	f.on("GET /v1/services/web", before)
	f.on("GET /v1/networks/front", api.Network{Meta: api.Meta{ID: "netid1"}, Name: "front"})
	f.on("PUT /v1/services/svcid1", api.ServiceAnswer{Service: before})
	update := func(args ...string) api.ServiceUpdate {
		t.Helper()
		f.ok(append([]string{"service", "update", "-d", "web"}, args...)...)
		return sent[api.ServiceUpdate](f)
	}

	request := update("--image", "web:2")
	require.Equal(t, int64(7), request.Version)
	want := before.Spec
	want.Replicas, want.Container.Image, want.Container.Digest = nil, "web:2", ""
	require.True(t, api.EqualSpec(want, request.Spec), api.DiffSpec(want, request.Spec))

	request = update("--env-add", "B=3", "--env-add", "C=4", "--env-rm", "A", "--cap-add", "CHOWN", "--label-rm", "a", "--label-add", "x=y",
		"--publish-rm", "80", "--publish-add", "8011:80", "--network-rm", "front", "--replicas", "5", "--args", "run 'two words'", "--force")
	want = before.Spec
	want.Replicas = pointer(5)
	want.Container.Env = []string{"B=3", "C=4"}
	want.Container.CapAdd, want.Container.CapDrop = []string{"CHOWN"}, nil
	want.Labels = map[string]string{"x": "y"}
	want.Ports = []api.Port{{Protocol: "tcp", Target: 80, Published: 8011, Mode: "ingress"}}
	want.Networks = []api.NetworkAttachment{{Network: "netid2"}}
	want.Container.Args = []string{"run", "two words"}
	require.True(t, api.EqualSpec(want, request.Spec), api.DiffSpec(want, request.Spec))
	require.True(t, request.Force)
	require.Equal(t, "sha256:old", request.Spec.Container.Digest, "the image is not resolved again")
}

func TestUpdateRollbackAndRollbackAreOne(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/services/web/rollback", api.ServiceAnswer{Service: web(nil)})
	require.Equal(t, "web: back to revision 1\n", f.ok("service", "update", "--rollback", "-d", "web"))
	f.ok("service", "rollback", "-d", "web", "--to-revision", "3")
	require.Equal(t, 3, sent[api.RollbackRequest](f).To)
	code, _, _ := f.orc("service", "rollback", "--to-revision", "0", "web")
	require.Equal(t, 2, code)
}

func TestServiceLsAndInspect(t *testing.T) {
	f := newFake(t)
	view := web(func(v *api.ServiceView) {
		v.Ports = []api.Port{{Protocol: "tcp", Target: 80, Published: 8010, Mode: "ingress"}}
	})
	f.on("GET /v1/services", []api.ServiceView{view})
	f.on("GET /v1/services/web", view)
	f.on("GET /v1/services/nope", api.NotFoundf("no service nope"))
	require.Equal(t, "ID       NAME   MODE         REPLICAS   IMAGE   PORTS\nsvcid1   web    replicated   2/2        web:1   *:8010->80/tcp\n", f.ok("service", "ls"))
	require.Equal(t, "svcid1\n", f.ok("service", "ls", "-q", "--filter", "name=web"))
	require.Empty(t, f.ok("service", "ls", "-q", "--filter", "mode=global"))
	require.Equal(t, "web:1\n", f.ok("service", "inspect", "web", "-f", "{{.Spec.Image}}"))
	require.Contains(t, f.ok("service", "inspect", "--pretty", "web"), "Image:          web:1\n")
	code, out, errors := f.orc("service", "inspect", "web", "nope", "--format", "{{.Name}}")
	require.Equal(t, 1, code)
	require.Equal(t, "web\n", out)
	require.Equal(t, "orc: no service nope\n", errors)
}

func TestServicePsShowsWhatWasReplacedAndWhy(t *testing.T) {
	f := newFake(t)
	task := api.TaskView{Name: "web.1", ServiceName: "web", NodeName: "n1", Image: "web:1", Status: &api.TaskStatus{State: api.TaskRunning, Since: time.Now()}}
	task.ID, task.Desired = "task1", api.DesiredRun
	task.Status.Attempts = []api.Attempt{
		{Container: "c1", Started: time.Now().Add(-time.Hour), Finished: time.Now(), ExitCode: 137},
		{Container: "c2", Started: time.Now(), ExitCode: -1},
	}
	pending := api.TaskView{Name: "web.2", ServiceName: "web", Image: "web:1", Status: &api.TaskStatus{State: api.TaskPending}}
	pending.ID, pending.Desired, pending.Reason, pending.Created = "task2", api.DesiredRun, "no node fits: 2 lack memory", time.Now()
	done := api.TaskView{Name: "web.3", ServiceName: "web", Image: "web:1", Status: &api.TaskStatus{State: api.TaskComplete, Since: time.Now()}}
	done.ID, done.Desired = "task3", api.DesiredRun
	f.on("GET /v1/tasks", []api.TaskView{task, pending, done})
	f.on("GET /v1/services/web", web(func(v *api.ServiceView) { v.Warnings = []string{"port 80/tcp is taken"} }))
	code, out, errors := f.orc("service", "ps", "web", "--format", "{{.Name}}|{{.DesiredState}}|{{.CurrentState}}|{{.Error}}")
	require.Zero(t, code)
	require.Equal(t, "orc: warning: service web: port 80/tcp is taken\n", errors)
	require.Equal(t, "web.1|Running|Running less than a second ago|\n"+
		` \_ web.1|Shutdown|Failed less than a second ago|exit code 137`+"\n"+
		"web.2|Running|Pending less than a second ago|no node fits: 2 lack memory\n"+
		"web.3|Complete|Complete less than a second ago|\n", out)
	require.Equal(t, "web.3\n", f.ok("service", "ps", "web", "--filter", "desired-state=complete", "--format", "{{.Name}}"))
}

func TestAServiceMayBeNamedHelp(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/services/{name}", web(nil))
	for _, name := range []string{"h", "help"} {
		require.Equal(t, "web\n", f.ok("service", "inspect", name, "-f", "{{.Name}}"))
	}
}

func TestScaleIsOneRequest(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/scale", []api.ServiceView{web(func(v *api.ServiceView) { v.Replicas = 5 })})
	require.Equal(t, "web scaled to 5\n", f.ok("service", "scale", "-d", "web=5", "db=1"))
	require.Equal(t, map[string]int{"web": 5, "db": 1}, sent[map[string]int](f))
}

func TestRmGoesOnAfterAnError(t *testing.T) {
	f := newFake(t)
	f.on("DELETE /v1/services/nope", api.NotFoundf("no service nope"))
	f.on("DELETE /v1/services/web", struct{}{})
	code, out, errors := f.orc("service", "rm", "nope", "web")
	require.Equal(t, 1, code)
	require.Equal(t, "web\n", out)
	require.Equal(t, "orc: no service nope\n", errors)
}

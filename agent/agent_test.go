package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/fake"
)

// host is a node with an agent that can be started again, in a bubble.
type host struct {
	t       *testing.T
	dir     string
	runtime *fake.Runtime
	agent   *Agent
	stop    func()
}

func newHost(t *testing.T) *host {
	h := &host{t: t, dir: t.TempDir(), runtime: fake.New()}
	h.start()
	return h
}

func (h *host) start() {
	h.t.Helper()
	agent, err := New(Config{Dir: h.dir, Runtime: h.runtime, DiscardOutput: true}, zap.NewNop())
	require.NoError(h.t, err)
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx) }()
	h.agent = agent
	h.stop = func() {
		cancel()
		require.NoError(h.t, <-done)
	}
}

func (h *host) restart() {
	h.stop()
	h.start()
	synctest.Wait()
}

// assign sends one task of a service, with what edit makes of its spec.
func (h *host) assign(id string, full bool, edit func(*api.ServiceSpec)) {
	h.t.Helper()
	spec := api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: "web:1"}}
	if edit != nil {
		edit(&spec)
	}
	spec.Defaults()
	assignment := wire.Assignment{
		Task:        api.Task{Meta: api.Meta{ID: id}, Service: "service-" + id, Revision: 1, Slot: 1, Node: "n1", Desired: api.DesiredRun},
		ServiceName: "web", NodeName: "node",
	}
	require.NoError(h.t, h.agent.Apply(wire.Down{
		Full: full, Tasks: []wire.Assignment{assignment}, Specs: map[string]api.ServiceSpec{assignment.SpecID(): spec},
	}))
	synctest.Wait()
}

func (h *host) status(id string) api.TaskStatus {
	h.t.Helper()
	for _, status := range h.agent.Statuses(h.t.Context()) {
		if status.ID == id {
			return status
		}
	}
	h.t.Fatalf("no task %s", id)
	return api.TaskStatus{}
}

func (h *host) container(id string) runtime.Container {
	h.t.Helper()
	containers, err := h.runtime.List(h.t.Context())
	require.NoError(h.t, err)
	for _, c := range containers {
		if c.Task.Task == id {
			return c
		}
	}
	return runtime.Container{}
}

func bubble(t *testing.T, test func(*testing.T, *host)) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		synctest.Wait()
		test(t, h)
		h.stop()
		synctest.Wait()
	})
}

func TestATaskRunsAndIsToldOf(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		status := h.status("a")
		require.Equal(t, api.TaskRunning, status.State)
		require.Equal(t, h.container("a").ID, status.Attempts[0].Container)
		<-h.agent.Ready()
		taken := h.agent.Take()
		require.Len(t, taken, 1)
		require.Equal(t, api.TaskRunning, taken[0].State)
		require.Empty(t, h.agent.Take())
	})
}

func TestACrashIsRestartedWithGrowingPauses(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		first := h.container("a").ID
		h.runtime.Exit(first, 1)
		synctest.Wait()
		second := h.container("a")
		require.NotEqual(t, first, second.ID, "the first restart is immediate")
		require.Equal(t, runtime.Running, second.State)

		h.runtime.Exit(second.ID, 1)
		synctest.Wait()
		status := h.status("a")
		require.Equal(t, api.TaskWaiting, status.State)
		require.Equal(t, 5*time.Second, time.Until(status.NextStart))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		status = h.status("a")
		require.Equal(t, api.TaskRunning, status.State)
		require.Equal(t, 2, status.Restarts)
		require.Len(t, status.Attempts, 3)
		require.Equal(t, 1, status.Attempts[0].ExitCode)
	})
}

// TestAPauseIsNoLongerThoughTheClockWasPutBack restarts an agent in the pause before a
// restart, with a clock that is a day behind what the one before wrote.
func TestAPauseIsNoLongerThoughTheClockWasPutBack(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		for range 2 {
			h.runtime.Exit(h.container("a").ID, 1)
			synctest.Wait()
		}
		require.Equal(t, api.TaskWaiting, h.status("a").State)
		h.stop()
		file := filepath.Join(h.agent.config.Dir, "tasks", "a")
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var kept record
		require.NoError(t, wire.Unmarshal(data, &kept))
		kept.Status.NextStart = kept.Status.NextStart.Add(24 * time.Hour)
		data, err = wire.Marshal(kept)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, data, 0o600))

		h.start()
		synctest.Wait()
		require.Equal(t, api.TaskWaiting, h.status("a").State)
		require.Equal(t, 5*time.Second, time.Until(h.status("a").NextStart))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, api.TaskRunning, h.status("a").State)
	})
}

func TestAnAgentRestartAdoptsAndRestartsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		before := h.container("a")
		h.restart()
		require.Equal(t, before.ID, h.container("a").ID)
		require.Equal(t, api.TaskRunning, h.status("a").State)
		require.Len(t, h.status("a").Attempts, 1)

		h.stop()
		h.runtime.Exit(before.ID, 3) // while nobody watches
		h.start()
		synctest.Wait()
		require.NotEqual(t, before.ID, h.container("a").ID)
		require.Equal(t, 3, h.status("a").Attempts[0].ExitCode)
	})
}

func TestABootWithoutAManagerStartsWhatWasAssigned(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		h.stop()
		h.runtime.Reboot()
		h.start()
		synctest.Wait()
		require.Equal(t, runtime.Running, h.container("a").State)
	})
}

func TestAContainerOfNoTaskIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		h.assign("b", true, nil) // full: a is gone
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, h.container("a").ID)
		require.Equal(t, runtime.Running, h.container("b").State)
		entries, err := os.ReadDir(filepath.Join(h.dir, "tasks"))
		require.NoError(t, err)
		require.Len(t, entries, 1)
	})
}

func TestReplacedTasksEndBeforeNewOnesStart(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{IgnoreTerm: true})
		h.assign("a", true, nil)
		h.assign("b", true, nil)
		require.NotEmpty(t, h.container("a").ID)
		require.Empty(t, h.container("b").ID, "b waits: a has its grace still")
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.Empty(t, h.container("a").ID)
		require.Equal(t, runtime.Running, h.container("b").State)
	})
}

func TestShutdownStopsAndKeepsTheStatus(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		end := wire.Assignment{Task: api.Task{Meta: api.Meta{ID: "a"}, Service: "service-a", Revision: 1, Node: "n1", Desired: api.DesiredShutdown}}
		require.NoError(t, h.agent.Apply(wire.Down{Tasks: []wire.Assignment{end}}))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, api.TaskShutdown, h.status("a").State)
		require.Empty(t, h.container("a").ID)
		h.restart()
		require.Equal(t, api.TaskShutdown, h.status("a").State)
		require.Empty(t, h.container("a").ID)
		require.NoError(t, h.agent.Apply(wire.Down{Removed: []string{"a"}}))
		synctest.Wait()
		require.Empty(t, h.agent.Statuses(h.t.Context()))
	})
}

func TestWhatCannotRunIsRejectedAndWhatMayIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.FailPull("web:1", errors.Join(runtime.ErrImageMissing, errors.New("docker.io/library/web:1")))
		h.assign("a", true, nil)
		require.Equal(t, api.TaskRejected, h.status("a").State)
		require.Contains(t, h.status("a").Message, "no such image")

		h.runtime.FailPull("web:1", errors.New("the network is down"))
		h.assign("b", true, nil)
		require.Equal(t, api.TaskPreparing, h.status("b").State)
		h.runtime.FailPull("web:1", nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, api.TaskRunning, h.status("b").State)
	})
}

func TestHealthMakesRunningAndUnhealthyIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		var code atomic.Int32
		code.Store(1)
		h.runtime.Script("web:1", fake.Script{Exec: func(context.Context, string, runtime.Exec) (int, error) { return int(code.Load()), nil }})
		h.assign("a", true, func(s *api.ServiceSpec) {
			s.Container.Health = &api.HealthCheck{Test: []string{"CMD", "check"}, Interval: api.Duration(10 * time.Second), Retries: 2}
		})
		require.Equal(t, api.TaskStarting, h.status("a").State)
		code.Store(0)
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		status := h.status("a")
		require.Equal(t, api.TaskRunning, status.State)
		require.True(t, *status.Healthy)

		first := h.container("a").ID
		code.Store(1)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		require.NotEqual(t, first, h.container("a").ID)
		require.Contains(t, h.status("a").Attempts[0].Error, "unhealthy")
	})
}

func TestAKilledContainerIsReplacedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		first := h.container("a").ID
		task, err := h.agent.find("", first)
		require.NoError(t, err)
		require.Error(t, task.kill(t.Context(), first, false), "it runs")
		require.NoError(t, task.kill(t.Context(), first, true))
		synctest.Wait()
		require.NotEqual(t, first, h.container("a").ID)
		require.Equal(t, removedByUser, h.status("a").Attempts[0].Error)
		require.Equal(t, api.TaskRunning, h.status("a").State)
	})
}

func TestARuntimeThatGoesAwayIsWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		first := h.container("a").ID
		h.runtime.Down(fake.ErrDown)
		time.Sleep(3 * time.Second)
		h.runtime.Down(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, first, h.container("a").ID)
		h.runtime.Exit(first, 1)
		synctest.Wait()
		require.NotEqual(t, first, h.container("a").ID, "events are heard again")
	})
}

func TestABrokenFileIsSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "assignments")
	set := assignments{Tasks: map[string]wire.Assignment{"a": {ServiceName: "web"}}}
	require.NoError(t, set.save(path))
	var again assignments
	require.NoError(t, again.load(path))
	require.Equal(t, "web", again.Tasks["a"].ServiceName)

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data[:len(data)-3], 0o600))
	require.Error(t, again.load(path))
	require.Empty(t, again.Tasks)
	require.FileExists(t, path+".broken")
	require.NoError(t, again.load(path), "a missing file is an empty set")
}

func TestTemplates(t *testing.T) {
	spec := &api.ServiceSpec{Labels: map[string]string{"tier": "front"}}
	data := api.NewTemplateData(&api.Task{Slot: 2}, "web", spec, "n1", api.Platform{OS: "linux", Arch: "amd64"})
	resolved, err := resolve(data, api.ContainerSpec{
		Env: []string{"NAME={{.Task.Name}}", "TIER={{.Service.Labels.tier}}"}, Hostname: "{{.Service.Name}}-{{.Task.Slot}}-{{.Node.Hostname}}",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"NAME=web.2", "TIER=front"}, resolved.Env)
	require.Equal(t, "web-2-n1", resolved.Hostname)
	for _, bad := range []string{"{{", "{{.Nothing}}", "{{.Service.Labels.none}}", "{{range 9999999999}}{{end}}", "{{if true}}{{range 9}}x{{end}}{{end}}"} {
		_, err := resolve(data, api.ContainerSpec{Env: []string{bad}})
		require.Error(t, err, bad)
	}
}

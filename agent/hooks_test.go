package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/fake"
	"github.com/orc-project/orc/sleep"
)

// hooked runs one task whose hooks take a second each and then do what act says;
// ran are their commands.
func hooked(t *testing.T, edit func(*api.ServiceSpec), act func(exec runtime.Exec) (int, error), test func(t *testing.T, h *host, ran *[]string)) {
	bubble(t, func(t *testing.T, h *host) {
		var ran []string
		h.runtime.Script("web:1", fake.Script{Exec: func(ctx context.Context, _ string, exec runtime.Exec) (int, error) {
			ran = append(ran, strings.Join(exec.Args, " "))
			if err := sleep.For(ctx, time.Second); err != nil {
				return -1, err
			}
			return act(exec)
		}})
		h.assign("a", true, edit)
		test(t, h, &ran)
	})
}

func hook(words ...string) api.Hook { return api.Hook{Command: words} }

func well(runtime.Exec) (int, error) { return 0, nil }

func TestATaskRunsOnceItsPostStartHooksHaveEndedWell(t *testing.T) {
	var asked runtime.Exec
	hooked(t, func(s *api.ServiceSpec) {
		s.Container.PostStart = []api.Hook{
			{Command: []string{"migrate", "up"}, User: "root", Env: []string{"A=1"}, Dir: "/srv", Privileged: true}, hook("warm"),
		}
	}, func(exec runtime.Exec) (int, error) {
		if exec.User != "" {
			asked = exec
		}
		return 0, nil
	}, func(t *testing.T, h *host, ran *[]string) {
		require.Equal(t, api.TaskStarting, h.status("a").State)
		require.Equal(t, "runs post_start hook 1 of 2", h.status("a").Message)
		settle(2 * time.Second)
		require.Equal(t, api.TaskRunning, h.status("a").State)
		require.Empty(t, h.status("a").Message)
		require.Equal(t, []string{"migrate up", "warm"}, *ran)
		require.Equal(t, "root|[A=1]|/srv|true", fmt.Sprint(asked.User, "|", asked.Env, "|", asked.Dir, "|", asked.Privileged))
		h.restart()
		settle(time.Minute)
		require.Len(t, *ran, 2, "once they have ended well they never run again in that container")
		require.Equal(t, api.TaskRunning, h.status("a").State)
	})
}

func TestAPostStartHookThatFailsEndsTheContainer(t *testing.T) {
	hooked(t, func(s *api.ServiceSpec) {
		s.Container.PostStart = []api.Hook{hook("migrate"), hook("never")}
		s.Restart.Condition = api.RestartNone
	}, func(exec runtime.Exec) (int, error) {
		fmt.Fprint(exec.Stderr, "no database\n")
		return 3, nil
	}, func(t *testing.T, h *host, ran *[]string) {
		settle(2 * time.Second)
		status := h.status("a")
		require.Equal(t, api.TaskFailed, status.State)
		require.Equal(t, `post_start hook "migrate": exit code 3: no database`, status.Message)
		require.Equal(t, []string{"migrate"}, *ran)
		require.Empty(t, h.container("a").ID)
	})
}

func TestAPostStartHookIsTriedAgainAsTheRestartPolicySays(t *testing.T) {
	hooked(t, func(s *api.ServiceSpec) { s.Container.PostStart = []api.Hook{hook("x")} }, func(runtime.Exec) (int, error) {
		return 0, errors.Join(runtime.ErrRejected, errors.New("no such command"))
	}, func(t *testing.T, h *host, _ *[]string) {
		settle(2 * time.Second)
		status := h.status("a")
		require.Equal(t, 1, status.Restarts)
		require.Equal(t, api.TaskWaiting, status.State)
		require.Contains(t, status.Message, "no such command")
	})
}

func TestAHookThatAnAgentLeftRunsAgain(t *testing.T) {
	hooked(t, func(s *api.ServiceSpec) { s.Container.PostStart = []api.Hook{hook("x")} }, well, func(t *testing.T, h *host, ran *[]string) {
		time.Sleep(500 * time.Millisecond)
		h.restart()
		settle(time.Second)
		require.Equal(t, []string{"x", "x"}, *ran)
		require.Equal(t, api.TaskRunning, h.status("a").State)
		require.Zero(t, h.status("a").Restarts)
	})
}

func TestAContainerThatEndsDuringAHookIsToldByItsOwnEnd(t *testing.T) {
	hooked(t, func(s *api.ServiceSpec) {
		s.Container.PostStart = []api.Hook{hook("x")}
		s.Restart.Condition = api.RestartNone
	}, func(runtime.Exec) (int, error) { return 0, runtime.ErrNotRunning }, func(t *testing.T, h *host, _ *[]string) {
		time.Sleep(500 * time.Millisecond)
		h.runtime.Exit(h.container("a").ID, 7)
		settle(time.Second)
		require.Equal(t, api.TaskFailed, h.status("a").State)
		require.Equal(t, "ended with exit code 7", h.status("a").Message)
	})
}

func TestPreStopHooksRunBeforeTheSignal(t *testing.T) {
	var running []runtime.State
	var h *host
	hooked(t, func(s *api.ServiceSpec) { s.Container.PreStop = []api.Hook{hook("flush"), hook("bye")} }, func(runtime.Exec) (int, error) {
		running = append(running, h.container("a").State)
		return 1, nil // which stops nothing
	}, func(t *testing.T, on *host, ran *[]string) {
		h = on
		h.drop("a")
		require.Equal(t, runtime.Running, h.container("a").State)
		settle(2 * time.Second)
		require.Equal(t, []runtime.State{runtime.Running, runtime.Running}, running)
		require.Equal(t, []string{"flush", "bye"}, *ran)
		require.Empty(t, h.container("a").ID)
	})
}

func TestPreStopHooksAreBoundedByTheGracePeriod(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{IgnoreTerm: true, Exec: func(ctx context.Context, _ string, _ runtime.Exec) (int, error) {
			<-ctx.Done()
			return -1, ctx.Err()
		}})
		h.assign("a", true, func(s *api.ServiceSpec) { s.Container.PreStop = []api.Hook{hook("forever"), hook("never")} })
		h.drop("a")
		settle(api.DefaultStopGrace + leastGrace - time.Second)
		require.Equal(t, runtime.Running, h.container("a").State, "the process has its time too")
		settle(time.Second)
		require.Empty(t, h.container("a").ID)
	})
}

// drop takes a task's assignment back.
func (h *host) drop(id string) {
	h.t.Helper()
	require.NoError(h.t, h.agent.Apply(wire.Down{Removed: []string{id}}))
	synctest.Wait()
}

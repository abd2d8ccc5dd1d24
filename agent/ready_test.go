package agent

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

// desire sends what is desired of a task that its node knows the spec of, or will.
func (h *host) desire(id string, desired api.Desired) {
	h.t.Helper()
	spec := api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: "web:1"}}
	spec.Defaults()
	assignment := wire.Assignment{
		Task:        api.Task{Meta: api.Meta{ID: id}, Service: "service-" + id, Revision: 1, Slot: 1, Node: "n1", Desired: desired},
		ServiceName: "web", NodeName: "node",
	}
	require.NoError(h.t, h.agent.Apply(wire.Down{
		Tasks: []wire.Assignment{assignment}, Specs: map[string]api.ServiceSpec{assignment.SpecID(): spec},
	}))
	synctest.Wait()
}

func TestASuccessorIsMadeAndStartsWhenItIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.desire("a", api.DesiredReady)
		require.Equal(t, api.TaskReady, h.status("a").State)
		made := h.container("a")
		require.Equal(t, runtime.Created, made.State)
		require.Zero(t, h.runtime.Calls("Start"))
		require.Empty(t, h.status("a").Attempts)

		h.desire("a", api.DesiredRun)
		require.Equal(t, api.TaskRunning, h.status("a").State)
		require.Equal(t, made.ID, h.container("a").ID)
		require.Len(t, h.status("a").Attempts, 1)
		require.Zero(t, h.status("a").Restarts)
	})
}

func TestASuccessorIsMadeAnewAfterACrash(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.desire("a", api.DesiredReady)
		made := h.container("a").ID
		h.restart()
		require.Equal(t, api.TaskReady, h.status("a").State)
		require.NotEqual(t, made, h.container("a").ID, "who made it may have died half-way")
		require.Zero(t, h.runtime.Calls("Start"))

		require.NoError(t, h.runtime.Remove(t.Context(), h.container("a").ID)) // by somebody else
		h.agent.wakeAll()
		synctest.Wait()
		require.Equal(t, runtime.Created, h.container("a").State)
		h.desire("a", api.DesiredRun)
		require.Equal(t, api.TaskRunning, h.status("a").State)
		require.Len(t, h.status("a").Attempts, 1)
	})
}

// That a container's process ends before it was told to start says nothing of its
// image: it is made anew, whatever is wanted of it by then.
func TestAProcessThatEndsBeforeItsStartIsNoAttempt(t *testing.T) {
	for _, then := range []api.Desired{api.DesiredReady, api.DesiredRun} {
		for _, crash := range []bool{false, true} {
			bubble(t, func(t *testing.T, h *host) {
				h.desire("a", api.DesiredReady)
				made := h.container("a").ID
				h.runtime.Reboot()
				require.Equal(t, runtime.Exited, h.container("a").State)
				if crash {
					h.restart()
				} else {
					h.agent.wakeAll()
				}
				h.desire("a", then)
				require.NotEqual(t, made, h.container("a").ID)
				status := h.status("a")
				require.Zero(t, status.Restarts)
				if then == api.DesiredReady {
					require.Equal(t, api.TaskReady, status.State)
					require.Empty(t, status.Attempts)
					return
				}
				require.Equal(t, api.TaskRunning, status.State)
				require.Len(t, status.Attempts, 1)
			})
		}
	}
}

func TestASuccessorThatIsNotWantedLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.desire("a", api.DesiredReady)
		h.desire("a", api.DesiredShutdown)
		require.Equal(t, api.TaskShutdown, h.status("a").State)
		require.Empty(t, h.container("a"))
		require.Empty(t, h.status("a").Attempts)
	})
}

func TestASuccessorThatCannotBeMadeSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.FailCreate("web:1", runtime.ErrRejected)
		h.desire("a", api.DesiredReady)
		require.Equal(t, api.TaskRejected, h.status("a").State)
		h.desire("a", api.DesiredRun)
		require.Equal(t, api.TaskRejected, h.status("a").State, "an end is for good")
	})
}

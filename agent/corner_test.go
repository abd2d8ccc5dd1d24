package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/fake"
)

func TestATaskAssignedAgainWhileItEndsDoesNotWaitForItself(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{IgnoreTerm: true})
		h.assign("a", true, nil)
		require.NoError(t, h.agent.Apply(wire.Down{Full: true})) // a manager that lags behind
		synctest.Wait()
		h.assign("a", false, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, api.TaskRunning, h.status("a").State)
		h.assign("b", false, nil)
		require.Equal(t, api.TaskRunning, h.status("b").State)
	})
}

func TestAContainerThatStayedWellTellsNothingNew(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, func(s *api.ServiceSpec) {
			s.Container.Health = &api.HealthCheck{Test: []string{"CMD", "check"}, Interval: api.Duration(10 * time.Second)}
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.True(t, *h.status("a").Healthy)
		require.NotEmpty(t, h.status("a").Checks)
		h.agent.Take()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Empty(t, h.agent.Take())
	})
}

func TestAStartThatWasNotNotedCountsAsARestart(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		first := h.container("a").ID
		h.stop()
		// What a process leaves that died between the start and its note.
		require.NoError(t, h.runtime.Remove(t.Context(), first))
		spec := runtime.Spec{ID: api.NewID(), Task: runtime.TaskRef{Task: "a", Attempt: 2}, Image: runtime.ImageRef{Name: "web:1"}}
		require.NoError(t, h.runtime.Create(t.Context(), spec))
		require.NoError(t, h.runtime.Start(t.Context(), spec.ID))
		h.runtime.Exit(spec.ID, 4)
		h.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		status := h.status("a")
		require.Equal(t, api.TaskRunning, status.State)
		require.Equal(t, 2, status.Restarts)
		require.Equal(t, 3, h.container("a").Task.Attempt)
		require.Equal(t, 4, status.Attempts[1].ExitCode)
	})
}

func TestTextsAreOneLineOfValidText(t *testing.T) {
	require.Equal(t, "a b\uFFFD [31m", oneLine("a\nb\xff\x1b[31m"))
	require.Len(t, oneLine(string(make([]byte, 1<<20))), maxText)
}

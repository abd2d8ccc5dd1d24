package agent

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

func TestWhatIsHeldBackOnANodeThatIsCutOff(t *testing.T) {
	now := time.Unix(1000, 0)
	cut := func(ago time.Duration) link { return link{met: true, since: now.Add(-ago)} }
	half := api.Duration(30 * time.Second)
	for name, test := range map[string]struct {
		goal  goal
		found found
		after *api.Duration
		link  link
		want  goal
		again time.Duration
	}{
		"continue":                          {goalRun, running, nil, cut(time.Hour), goalRun, idle},
		"connected":                         {goalRun, running, &half, link{up: true, met: true}, goalRun, idle},
		"cut off, not for long":             {goalRun, running, &half, cut(10 * time.Second), goalRun, 20 * time.Second},
		"cut off for so long":               {goalRun, running, &half, cut(30 * time.Second), goalHold, idle},
		"at once":                           {goalRun, running, new(api.Duration), cut(0), goalHold, idle},
		"a restart while it is not long":    {goalRun, none, &half, cut(10 * time.Second), goalRun, 20 * time.Second},
		"no restart later":                  {goalRun, none, &half, cut(time.Minute), goalHold, idle},
		"no start before a manager is met":  {goalRun, none, &half, link{since: now}, goalHold, idle},
		"what runs over an agent's restart": {goalRun, running, &half, link{since: now}, goalRun, 30 * time.Second},
		"what should end ends":              {goalEnd, running, &half, cut(time.Hour), goalEnd, idle},
		"what is gone is gone":              {goalGone, running, &half, cut(time.Hour), goalGone, idle},
	} {
		t.Run(name, func(t *testing.T) {
			g, again := hold(test.goal, test.found, test.after, test.link, now)
			require.Equal(t, fmt.Sprint(test.want, test.again), fmt.Sprint(g, again))
		})
	}
}

func isolated(d time.Duration) func(*api.ServiceSpec) {
	after := api.Duration(d)
	return func(s *api.ServiceSpec) {
		s.StopIsolated = &after
		s.Restart.MaxAttempts = new(int)
		*s.Restart.MaxAttempts = 1
	}
}

// lose is the end of the connection to the managers, now.
func (h *host) lose() {
	h.agent.Lost(time.Now())
	synctest.Wait()
}

func TestATaskIsStoppedWhenItsNodeIsCutOffForTooLongAndRunsAgainLater(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		for range 3 { // which is no crash loop
			h.assign("a", true, isolated(30*time.Second))
			require.Equal(t, api.TaskRunning, h.status("a").State)
			h.lose()
			settle(29 * time.Second)
			require.Equal(t, runtime.Running, h.container("a").State)
			settle(time.Second)
			require.Empty(t, h.container("a").ID)
			status := h.status("a")
			require.Equal(t, api.TaskWaiting, status.State)
			require.Equal(t, stoppedCutOff, status.Message)
			require.Equal(t, stoppedCutOff, status.Attempts[len(status.Attempts)-1].Error)
			settle(time.Hour)
			require.Empty(t, h.container("a").ID)
		}
	})
}

func TestAConnectionThatComesBackInTimeStopsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, isolated(30*time.Second))
		first := h.container("a").ID
		h.lose()
		settle(20 * time.Second)
		h.assign("a", true, isolated(30*time.Second))
		settle(time.Hour)
		require.Equal(t, first, h.container("a").ID)
	})
}

func TestATaskThatWasReplacedMeanwhileStaysDown(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, isolated(time.Second))
		h.lose()
		settle(2 * time.Second)
		require.NoError(t, h.agent.Apply(wire.Down{Full: true}))
		settle(time.Minute)
		require.Empty(t, h.container("a").ID)
		require.Equal(t, 1, h.runtime.Calls("Start"))
	})
}

func TestAnAgentThatStartsCutOffStartsNothingThatMustNotRunSo(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, isolated(30*time.Second))
		h.stop()
		h.runtime.Reboot()
		h.start()
		settle(time.Minute)
		require.Empty(t, h.container("a").ID)
		require.Equal(t, api.TaskWaiting, h.status("a").State)
		require.Equal(t, stoppedCutOff, h.status("a").Message)
		h.assign("a", true, isolated(30*time.Second))
		require.Equal(t, api.TaskRunning, h.status("a").State)
	})
}

func TestAnAgentThatRestartsCutOffGivesWhatRunsItsTime(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, isolated(30*time.Second))
		h.restart()
		settle(29 * time.Second)
		require.Equal(t, runtime.Running, h.container("a").State)
		settle(time.Second)
		require.Empty(t, h.container("a").ID)
	})
}

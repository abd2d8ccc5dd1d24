package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
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

// full sends a complete message with these assignments again.
func (h *host) full(assignments assignments, ids ...string) {
	h.t.Helper()
	down := wire.Down{Full: true, Specs: assignments.Specs}
	for _, id := range ids {
		down.Tasks = append(down.Tasks, assignments.Tasks[id])
	}
	require.NoError(h.t, h.agent.Apply(down))
	synctest.Wait()
}

// end asks for a task's shutdown.
func (h *host) end(id string) {
	h.t.Helper()
	each := h.agent.set.Tasks[id]
	each.Task.Desired, each.Task.Reason = api.DesiredShutdown, "scaled down"
	require.NoError(h.t, h.agent.Apply(wire.Down{Tasks: []wire.Assignment{each}}))
	synctest.Wait()
}

func TestLostAssignmentsEndNothingUntilAManagerTells(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		h.assign("b", false, nil)
		set, a, b := h.agent.set, h.container("a"), h.container("b")
		h.stop()
		require.NoError(t, os.WriteFile(filepath.Join(h.dir, "assignments"), []byte("torn"), 0o600))
		h.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, runtime.Running, h.container("a").State)
		require.Empty(t, h.agent.Statuses(t.Context()), "it cannot know whose they are")
		require.NoError(t, h.agent.Apply(wire.Down{Specs: set.Specs})) // ahead of what is complete
		synctest.Wait()
		require.Equal(t, runtime.Running, h.container("b").State)

		h.full(set, "a")
		require.Equal(t, a.ID, h.container("a").ID)
		require.Len(t, h.status("a").Attempts, 1, "its history was kept")
		require.Equal(t, api.TaskRunning, h.status("a").State)
		require.NotEqual(t, b.ID, h.container("b").ID)
		require.Empty(t, h.container("b").ID)
	})
}

func TestWhatEndsBeforeItIsKnownIsRestartedOnceItIs(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		set, a := h.agent.set, h.container("a")
		h.stop()
		require.NoError(t, os.Remove(filepath.Join(h.dir, "assignments")))
		h.start()
		synctest.Wait()
		h.runtime.Exit(a.ID, 7)
		synctest.Wait()
		h.full(set, "a")
		require.Equal(t, runtime.Running, h.container("a").State)
		require.Equal(t, 7, h.status("a").Attempts[0].ExitCode)
	})
}

func TestLeftoversOfADeadProcessAreRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		set := h.agent.set
		h.stop()
		for _, path := range []string{"tasks/gone", "tasks/.tmp-1", "logs/gone/000001-c-000000.log", "fifo/c.out"} {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(h.dir, path)), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(h.dir, path), nil, 0o600))
		}
		h.start()
		synctest.Wait()
		require.FileExists(t, filepath.Join(h.dir, "tasks/gone"), "no manager has told yet")
		h.full(set, "a")
		for dir, left := range map[string]int{"tasks": 1, "logs": 0, "fifo": 0} {
			entries, err := os.ReadDir(filepath.Join(h.dir, dir))
			require.NoError(t, err)
			require.Len(t, entries, left, dir)
		}
	})
}

func TestAHundredContainersAreAdoptedAndNoneIsStarted(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		for i := range 100 {
			h.assign(fmt.Sprint("t", i), i == 0, nil)
		}
		require.Equal(t, 100, h.runtime.Calls("Start"))
		before := time.Now()
		h.restart()
		require.Len(t, h.agent.Statuses(t.Context()), 100)
		require.Zero(t, time.Since(before), "nothing waits for a clock")
		require.Equal(t, 100, h.runtime.Calls("Start"))
		require.Zero(t, h.runtime.Calls("Remove"))
	})
}

func TestAContainerThatWasNeverStartedIsMadeAnew(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{StartDelay: time.Minute})
		h.assign("a", true, nil)
		made := h.container("a")
		require.Equal(t, runtime.Created, made.State)
		h.stop() // dies with Start half done
		h.start()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, runtime.Running, h.container("a").State)
		require.NotEqual(t, made.ID, h.container("a").ID)
		require.Len(t, h.status("a").Attempts, 1)
	})
}

func TestAHealthyContainerStaysSoOverAnAgentsRestart(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, func(s *api.ServiceSpec) {
			s.Container.Health = &api.HealthCheck{Test: []string{"CMD", "check"}}
		})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, api.TaskRunning, h.status("a").State)
		h.restart()
		require.Equal(t, api.TaskRunning, h.status("a").State)
		require.True(t, *h.status("a").Healthy)
		require.Empty(t, h.agent.Take(), "nothing is told: nothing changed")
	})
}

func TestAPullThatIsNotWantedAnyMoreIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{PullDelay: 24 * time.Hour})
		h.assign("a", true, nil)
		require.Equal(t, api.TaskPreparing, h.status("a").State)
		before := time.Now()
		h.end("a")
		require.Equal(t, api.TaskShutdown, h.status("a").State)
		require.Equal(t, "scaled down", h.status("a").Message)
		require.Zero(t, time.Since(before))
	})
}

func TestASlowPullKeepsNobodyElseWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{PullDelay: 24 * time.Hour})
		for i := range 100 {
			h.assign(fmt.Sprint("slow", i), i == 0, nil)
		}
		h.assign("quick", false, func(s *api.ServiceSpec) { s.Container.Image = "quick:1" })
		require.Equal(t, api.TaskRunning, h.status("quick").State)
	})
}

// networks counts who is attached.
type networks struct {
	mu       sync.Mutex
	attached map[string]bool
	full     bool // there is no address left
}

func (n *networks) Attach(_ context.Context, each wire.Assignment, _ *api.ServiceSpec) (runtime.Network, map[string]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.full {
		return runtime.Network{}, nil, api.Errorf(api.CodeUnavailable, "waits for a free address")
	}
	n.attached[each.Task.ID] = true
	return runtime.Network{Mode: "namespace", Namespace: "/run/x"}, map[string]netip.Addr{"net": netip.MustParseAddr("10.0.0.7")}, nil
}

// Apply has an address come free when others have settled something.
func (n *networks) Apply(down wire.Down) (room bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.full = n.full && down.Settled == 0
	return down.Settled > 0
}

func (n *networks) Examine(context.Context) []api.Finding { return nil }

// Withdraw takes a second until all nodes have let go.
func (n *networks) Withdraw(ctx context.Context, _ wire.Assignment) error {
	return sleep.For(ctx, time.Second)
}

func (n *networks) Detach(_ context.Context, task string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.attached, task)
	return nil
}

func (n *networks) has(task string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.attached[task]
}

func TestATaskStartsAsSoonAsThereIsAnAddress(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.agent.config.Networks = &networks{attached: make(map[string]bool), full: true}
		h.assign("a", true, nil)
		time.Sleep(time.Minute + time.Millisecond) // its tries are far apart by now
		synctest.Wait()
		require.Equal(t, "waits for a free address", h.status("a").Message)
		require.NoError(t, h.agent.Apply(wire.Down{Settled: 7}))
		synctest.Wait()
		require.Equal(t, api.TaskRunning, h.status("a").State)
	})
}

func TestATaskIsDrainedAndThenGivesItsAddressBack(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		n := &networks{attached: make(map[string]bool)}
		h.agent.config.Networks = n
		h.assign("a", true, func(s *api.ServiceSpec) { s.Ports = []api.Port{{Target: 80}} })
		require.Equal(t, "10.0.0.7", h.status("a").Addresses["net"].String())
		h.end("a")
		require.Equal(t, api.TaskStopping, h.status("a").State)
		time.Sleep(time.Second + api.DefaultDrainDelay/2)
		synctest.Wait()
		require.Equal(t, runtime.Running, h.container("a").State, "its connections have time")
		time.Sleep(api.DefaultDrainDelay / 2)
		synctest.Wait()
		require.Equal(t, api.TaskShutdown, h.status("a").State)
		require.False(t, n.has("a"))
	})
}

func TestATaskThatNobodyCanReachIsNotDrained(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.agent.config.Networks = &networks{attached: make(map[string]bool)}
		h.assign("a", true, nil)
		require.Equal(t, api.TaskRunning, h.status("a").State)
		h.end("a")
		require.Equal(t, api.TaskShutdown, h.status("a").State, "at once")
	})
}

func TestOnlyWhatIsReplacedUnseenHoldsNewTasksBack(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{IgnoreTerm: true})
		h.assign("a", true, nil)
		h.assign("b", false, nil)
		h.end("a") // takes its whole grace
		h.assign("c", false, func(s *api.ServiceSpec) { s.Container.Image = "quick:1" })
		require.Equal(t, api.TaskStopping, h.status("a").State)
		require.Equal(t, api.TaskRunning, h.status("c").State)

		h.full(h.agent.set, "a", "b", "c") // a new session: nothing is new
		h.assign("d", false, func(s *api.ServiceSpec) { s.Container.Image = "quick:1" })
		require.Equal(t, api.TaskRunning, h.status("d").State)

		h.full(h.agent.set, "a", "c", "d") // b was replaced
		h.assign("e", false, func(s *api.ServiceSpec) { s.Container.Image = "quick:1" })
		require.Equal(t, api.TaskPreparing, h.status("e").State)
		require.Contains(t, h.status("e").Message, "replaced")
		settle(api.DefaultStopGrace)
		require.Equal(t, api.TaskRunning, h.status("e").State)
	})
}

func TestAKillThatFailsBlamesNobody(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		first := h.container("a").ID
		task, err := h.agent.find("", first)
		require.NoError(t, err)
		h.runtime.Down(fake.ErrDown)
		require.Error(t, task.kill(t.Context(), first, true))
		h.runtime.Down(nil)
		time.Sleep(time.Minute)
		h.runtime.Exit(first, 4)
		synctest.Wait()
		require.Empty(t, h.status("a").Attempts[0].Error)
		require.Equal(t, 4, h.status("a").Attempts[0].ExitCode)
	})
}

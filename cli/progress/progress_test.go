package progress_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/output"
	"github.com/orc-project/orc/cli/progress"
)

// world is a cluster whose one service a test changes as time goes by.
type world struct {
	mu      sync.Mutex // held while a story acts
	service api.ServiceView
	tasks   []api.TaskView
	err     error
}

func newWorld(replicas int) *world {
	w := &world{}
	w.service.ID, w.service.Name, w.service.Current, w.service.Replicas = "s1", "web", 1, replicas
	w.service.Spec.Mode, w.service.Desired = api.ModeReplicated, replicas
	w.service.Updated = time.Now()
	return w
}

// task sets a slot's task of a revision, wanted and in a state since now.
func (w *world) task(slot, revision int, state api.TaskState) *api.TaskView {
	task := api.TaskView{Name: "web." + string(rune('0'+slot)), Status: &api.TaskStatus{State: state, Since: time.Now()}}
	task.ID, task.Service, task.Slot, task.Revision, task.Node, task.Desired = api.NewID(), "s1", slot, revision, "n1", api.DesiredRun
	task.Created = time.Now()
	if state.Terminal() {
		task.Desired = api.DesiredShutdown
	}
	w.tasks = append(w.tasks, task)
	return &w.tasks[len(w.tasks)-1]
}

func (w *world) only(tasks ...func()) {
	w.tasks = nil
	for _, add := range tasks {
		add()
	}
}

func (w *world) look(context.Context) (progress.View, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	view := progress.View{Services: []api.ServiceView{w.service}, Tasks: slices.Clone(w.tasks)}
	for i := range view.Tasks {
		status := *view.Tasks[i].Status
		view.Tasks[i].Status = &status
	}
	return view, w.err
}

// sleep lets time go by in a story.
func (w *world) sleep(d time.Duration) {
	w.mu.Unlock()
	time.Sleep(d)
	w.mu.Lock()
}

// follow runs a watch beside the steps of a story, and tells how it ended, how
// long it took and what it printed.
func follow(t *testing.T, w *world, watch progress.Watch, story func()) (took time.Duration, printed string, result error) {
	t.Helper()
	var out bytes.Buffer
	watch.Look, watch.Printer = w.look, &output.Printer{Out: &out}
	begun := time.Now()
	done := make(chan error, 1)
	go func() { done <- watch.Run(t.Context()) }()
	w.mu.Lock()
	story()
	w.mu.Unlock()
	result = <-done
	return time.Since(begun), out.String(), result
}

func TestANewServiceConvergesWhenItsTasksStayUpForTheMonitorTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(2)
		took, printed, err := follow(t, w, progress.Watch{}, func() {
			w.sleep(time.Second + time.Millisecond)
			w.task(1, 1, api.TaskRunning)
			w.task(2, 1, api.TaskStarting)
			w.sleep(time.Second)
			w.tasks[1].Status.State, w.tasks[1].Status.Since = api.TaskRunning, time.Now()
		})
		require.NoError(t, err)
		require.InDelta(t, 7, took.Seconds(), 0.5)
		require.Contains(t, printed, "web: 1/2 slot 2 starting\n")
		require.Contains(t, printed, "web: 2/2 converged\n")
	})
}

func TestTasksThatHaveLongRunConvergeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.task(1, 1, api.TaskRunning)
		time.Sleep(time.Minute)
		took, _, err := follow(t, w, progress.Watch{}, func() {})
		require.NoError(t, err)
		require.Less(t, took, time.Second)
	})
}

func TestScalingDownWaitsForTheSurplusToGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.task(1, 1, api.TaskRunning)
		w.task(2, 1, api.TaskRunning)
		time.Sleep(time.Minute)
		took, _, err := follow(t, w, progress.Watch{}, func() {
			w.sleep(3*time.Second + time.Millisecond)
			w.tasks[1].Desired = api.DesiredRemove
		})
		require.NoError(t, err)
		require.InDelta(t, 3, took.Seconds(), 0.5)
	})
}

func TestAnUpdateIsOverWhenItsRolloutSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.task(1, 1, api.TaskRunning)
		time.Sleep(time.Minute)
		w.service.Current = 2
		took, printed, err := follow(t, w, progress.Watch{Want: map[string]int{"s1": 2}}, func() {
			w.sleep(time.Second + time.Millisecond)
			w.service.Rollout = &api.Rollout{From: 1, To: 2, State: api.RolloutUpdating}
			w.only(func() { w.task(1, 2, api.TaskRunning) })
			w.sleep(20 * time.Second)
			w.service.Rollout = &api.Rollout{From: 1, To: 2, State: api.RolloutCompleted}
		})
		require.NoError(t, err)
		require.InDelta(t, 21, took.Seconds(), 0.5)
		require.Contains(t, printed, "verifying")
	})
}

func TestWhatIsMadeReadyIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.task(1, 1, api.TaskRunning)
		w.service.Current = 2
		w.service.Rollout = &api.Rollout{From: 1, To: 2, State: api.RolloutUpdating}
		_, printed, err := follow(t, w, progress.Watch{Want: map[string]int{"s1": 2}}, func() {
			next := w.task(1, 2, api.TaskPreparing)
			next.Desired, next.Status.Message = api.DesiredReady, "pulling web:2: 30%"
			w.sleep(time.Second + time.Millisecond)
			w.only(func() { w.task(1, 2, api.TaskRunning) })
			w.service.Rollout = &api.Rollout{From: 1, To: 2, State: api.RolloutCompleted}
		})
		require.NoError(t, err)
		require.Contains(t, printed, "web: 0/1 slot 1 preparing: pulling web:2: 30%\n")
	})
}

func TestARebalanceIsOverWhenItsTasksHaveMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.task(1, 1, api.TaskRunning)
		time.Sleep(time.Minute)
		w.service.Rebalance = 1
		record := api.Rollout{From: 1, To: 1, Rebalance: 1, State: api.RolloutRebalancing}
		took, printed, err := follow(t, w, progress.Watch{}, func() {
			w.sleep(10*time.Second + time.Millisecond) // no leader, for long
			w.service.Rollout = &record
			w.sleep(10 * time.Second)
			ended := record
			ended.State = api.RolloutRebalanced
			w.service.Rollout = &ended
		})
		require.NoError(t, err)
		require.InDelta(t, 20, took.Seconds(), 0.5)
		require.Contains(t, printed, "to be rebalanced")

		w.service.Rebalance = 2
		_, _, err = follow(t, w, progress.Watch{}, func() {
			w.sleep(time.Second)
			w.service.Rollout = &api.Rollout{From: 1, To: 1, Rebalance: 2, State: api.RolloutRebalanceStopped, Message: "rebalance stopped: why"}
		})
		require.ErrorContains(t, err, "rebalance stopped: why")
	})
}

func TestAPausedUpdateFailsAndSaysHowToGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.service.Current = 2
		w.service.Rollout = &api.Rollout{From: 1, To: 2, State: api.RolloutPaused, Message: "update paused: 1 of 1 tasks failed; `orc service rollback web` goes back"}
		_, _, err := follow(t, w, progress.Watch{}, func() {})
		require.ErrorContains(t, err, "service web: update paused: 1 of 1 tasks failed; `orc service rollback web` goes back")
	})
}

func TestAnUpdateThatIsRolledBackFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.service.Rollout = &api.Rollout{From: 2, To: 1, State: api.RolloutRollingBack, Message: "update to revision 2 failed: slot 1: bad"}
		took, printed, err := follow(t, w, progress.Watch{Want: map[string]int{"s1": 2}}, func() {
			w.sleep(2*time.Second + time.Millisecond)
			w.service.Rollout = &api.Rollout{From: 2, To: 1, State: api.RolloutRollbackComplete, Message: "all tasks are at revision 1"}
			w.service.Warnings = []string{"port 80/tcp is taken"}
		})
		require.ErrorContains(t, err, "update to revision 2 failed: slot 1: bad; it is back at revision 1, but port 80/tcp is taken: `orc service ps web`")
		require.InDelta(t, 2, took.Seconds(), 0.5)
		require.Contains(t, printed, "web: 0/1 update to revision 2 failed: slot 1: bad\n")
	})
}

func TestARollbackThatWasAskedForSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.task(1, 1, api.TaskRunning)
		time.Sleep(time.Minute)
		w.service.Rollout = &api.Rollout{From: 2, To: 1, State: api.RolloutRollbackComplete}
		_, _, err := follow(t, w, progress.Watch{Want: map[string]int{"s1": 1}}, func() {})
		require.NoError(t, err)
	})
}

func TestSomebodyElsesChangeEndsTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		_, _, err := follow(t, w, progress.Watch{}, func() {
			w.sleep(time.Second + time.Millisecond)
			w.service.Current = 7
		})
		require.ErrorContains(t, err, "somebody changed it meanwhile")
	})
}

func TestAContainerThatKeepsEndingFailsTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		task := w.task(1, 1, api.TaskWaiting)
		task.Status.Attempts = []api.Attempt{{ExitCode: 3}}
		took, _, err := follow(t, w, progress.Watch{}, func() {
			w.sleep(5*time.Second + time.Millisecond)
			w.tasks[0].Status.Restarts = 2
		})
		require.ErrorContains(t, err, "web.1: ended with exit code 3; orc goes on trying")
		require.InDelta(t, 5, took.Seconds(), 0.5)
	})
}

func TestRejectedTasksFailTheWatchUnlessTheyAreOfEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		for range 3 {
			w.task(1, 1, api.TaskRejected).Status.Message = "no such image"
		}
		_, _, err := follow(t, w, progress.Watch{}, func() {})
		require.ErrorContains(t, err, "web.1: no such image")

		time.Sleep(time.Second)
		w.service.Updated = time.Now()
		w.task(1, 1, api.TaskRunning)
		_, _, err = follow(t, w, progress.Watch{}, func() {})
		require.NoError(t, err)
	})
}

func TestTasksThatFitNoNodeAreWaitedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		task := w.task(1, 1, api.TaskPending)
		task.Node, task.Reason = "", "no node fits: 2 lack memory"
		took, printed, err := follow(t, w, progress.Watch{}, func() {})
		require.ErrorContains(t, err, "no node fits: 2 lack memory")
		require.InDelta(t, 30, took.Seconds(), 1)
		require.Contains(t, printed, "web: 0/1 slot 1 pending: no node fits: 2 lack memory\n")
	})
}

func TestAGlobalServiceIsNotDoneBeforeItHasTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(0)
		w.service.Spec.Mode = api.ModeGlobal
		took, printed, err := follow(t, w, progress.Watch{}, func() {
			w.sleep(time.Second + time.Millisecond)
			w.task(0, 1, api.TaskRunning)
			w.service.Desired = 1
		})
		require.NoError(t, err)
		require.InDelta(t, 6, took.Seconds(), 0.5)
		require.Contains(t, printed, "web: 0/0 waiting for nodes\n")
	})
}

func TestJobsAreDoneWhenTheirTasksCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(2)
		w.service.Spec.Mode = api.ModeReplicatedJob
		w.task(1, 1, api.TaskComplete)
		took, _, err := follow(t, w, progress.Watch{}, func() {
			w.sleep(4*time.Second + time.Millisecond)
			w.task(2, 1, api.TaskComplete)
		})
		require.NoError(t, err)
		require.InDelta(t, 4, took.Seconds(), 0.5)
	})
}

func TestManagersThatAreAwayAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(0)
		w.err = api.Errorf(api.CodeUnavailable, "no leader")
		took, printed, err := follow(t, w, progress.Watch{}, func() {
			w.sleep(10*time.Second + time.Millisecond)
			w.err = nil
		})
		require.NoError(t, err)
		require.InDelta(t, 10, took.Seconds(), 0.5)
		require.Contains(t, printed, "no manager answers, trying again: no leader\n")

		w.err = api.NotFoundf("no service web")
		_, _, err = follow(t, w, progress.Watch{}, func() {})
		require.ErrorContains(t, err, "no service web")
	})
}

func TestTheWatchCanBeBoundedAndInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		took, _, err := follow(t, w, progress.Watch{Timeout: 3 * time.Second}, func() {})
		require.ErrorContains(t, err, "not converged after 3s")
		require.InDelta(t, 3, took.Seconds(), 0.5)

		ctx, cancel := context.WithCancel(t.Context())
		watch := progress.Watch{Look: w.look}
		done := make(chan error, 1)
		go func() { done <- watch.Run(ctx) }()
		time.Sleep(time.Second)
		cancel()
		require.ErrorIs(t, <-done, progress.ErrInterrupted)
	})
}

func TestATerminalIsRedrawnInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.task(1, 1, api.TaskRunning)
		var out bytes.Buffer
		watch := progress.Watch{Look: w.look, Printer: &output.Printer{Out: &out, Width: 40, Color: true}}
		require.NoError(t, watch.Run(t.Context()))
		require.Contains(t, out.String(), "\x1b[1A\r\x1b[K")
		require.Contains(t, out.String(), "\x1b[32m✔\x1b[0m web  1/1  converged\n")
	})
}

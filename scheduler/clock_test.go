package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// TestAClockThatJumpsNeitherStallsNorHurriesAnUpdate puts the clock of who plans
// back or ahead in the middle of an update that fails at its end, as an
// administrator does, or a new leader whose clock is another.
func TestAClockThatJumpsNeitherStallsNorHurriesAnUpdate(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"an hour back": -time.Hour, "five years back": -5 * 365 * 24 * time.Hour, "two seconds back": -2 * time.Second, "none": 0, "an hour ahead": time.Hour,
	} {
		for _, anew := range []bool{false, true} { // the same leader, and another one
			t.Run(name, func(t *testing.T) {
				w := newWorld(t, 3)
				w.submit("web", 6, nil)
				w.settle(time.Minute)
				w.submit("web", 6, func(s *api.ServiceSpec) { s.Container.Image = "image:2" })
				for len(w.running("web")) == 6 || revisions(w.running("web"))[2] < 2 {
					w.turn()
				}
				w.now = w.now.Add(jump)
				if anew {
					w.planner = New(w.snapshot)
				}
				jumped := w.now
				for revisions(w.running("web"))[2] < 5 {
					w.turn()
					require.Less(t, w.now.Sub(jumped), time.Minute, "it stalls")
				}
				if jump < 0 {
					require.Greater(t, w.now.Sub(jumped), 10*time.Second, "two monitors at least were waited for")
				}
				w.crash[2] = true // from now on, whose monitor is not over fails
				for w.rollout("web").State == api.RolloutUpdating {
					w.turn()
					require.Less(t, w.now.Sub(jumped), 2*time.Minute, "it stalls")
				}
				require.Equal(t, api.RolloutPaused, w.rollout("web").State, "a task made after the jump is judged")
			})
		}
	}
}

// turn plans, obeys, and lets a moment pass.
func (w *world) turn() {
	w.plan()
	w.obey()
	w.now = w.now.Add(100 * time.Millisecond)
}

func TestATaskThatIsTriedAgainOutlivesAClockThatWasPutBack(t *testing.T) {
	w := newWorld(t, 1)
	w.broken[1] = true
	w.submit("web", 1, nil)
	for range 100 {
		w.turn()
	}
	before := w.tasks("web")
	w.now = w.now.Add(-24 * time.Hour)
	for range 6000 { // ten minutes: the pauses have grown
		w.turn()
	}
	require.NotSubset(t, before, w.tasks("web"), "there is a new one")
}

// tasks are the IDs of a service's tasks.
func (w *world) tasks(service string) []string {
	var ids []string
	for task := range store.Find[api.Task](w.snapshot, store.ByService, service) {
		ids = append(ids, task.ID)
	}
	return ids
}

func TestANodeIsAvoidedForAWhileThoughItsClockIsAhead(t *testing.T) {
	w := newWorld(t, 2)
	w.submit("web", 1, nil)
	w.settle(time.Minute)
	task := w.running("web")[0]
	bad := task.Node
	status := *store.Get[api.TaskStatus](w.snapshot, task.ID)
	for range avoidAfter {
		status.Attempts = append(status.Attempts, api.Attempt{Started: w.now.Add(5 * time.Hour), Finished: w.now.Add(5 * time.Hour), ExitCode: 1})
	}
	status.State = api.TaskFailed
	w.put(&status)
	w.settle(time.Minute)
	require.NotEqual(t, bad, w.running("web")[0].Node, "it is avoided")

	w.now = w.now.Add(2 * avoidWithin)
	w.submit("web", 2, nil)
	w.settle(time.Minute)
	var nodes []string
	for _, each := range w.running("web") {
		nodes = append(nodes, each.Node)
	}
	require.Contains(t, nodes, bad, "and not for as long as its clock is ahead")
}

// TestAScheduleGoesOnWhenTheClockIsPutRight lets a clock be two years ahead for some
// runs of a job, and puts it back.
func TestAScheduleGoesOnWhenTheClockIsPutRight(t *testing.T) {
	for _, anew := range []bool{false, true} {
		w := newWorld(t, 1)
		ran := make(map[string]time.Time)
		// hours lets hours pass, and returns how many runs began in them.
		hours := func(count int) int {
			before := len(ran)
			for end := w.now.Add(time.Duration(count) * time.Hour); w.now.Before(end); {
				w.plan()
				w.obey()
				for _, id := range w.tasks("hourly") {
					ran[id] = w.now
				}
				w.now = w.now.Add(time.Minute)
			}
			return len(ran) - before
		}
		w.submit("hourly", 1, func(s *api.ServiceSpec) { s.Mode, s.Schedule = api.ModeReplicatedJob, "30 * * * *" })
		require.Equal(t, 3, hours(3))
		w.now = w.now.AddDate(2, 0, 0)
		require.Equal(t, 8, hours(7), "and one that was missed")
		w.now = w.now.AddDate(-2, 0, 0)
		if anew {
			w.planner = New(w.snapshot)
		}
		require.Equal(t, 20, hours(20))
	}
}

package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func (w *world) rollout(service string) *api.Rollout {
	return store.Get[api.Rollout](w.snapshot, service)
}

func revisions(tasks []*api.Task) map[int]int {
	counts := make(map[int]int)
	for _, task := range tasks {
		counts[task.Revision]++
	}
	return counts
}

func TestAnUpdateRollsWithinItsBounds(t *testing.T) {
	for name, update := range map[string]api.UpdateConfig{
		"one by one":  {},
		"by two":      {Parallelism: pointer(2), Delay: api.Duration(time.Second)},
		"all":         {Parallelism: pointer(0)},
		"start first": {Order: api.StartFirst, Parallelism: pointer(2)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			edit := func(s *api.ServiceSpec) { s.Update = update }
			w.submit("web", 6, edit)
			w.settle(time.Minute)
			w.submit("web", 6, func(s *api.ServiceSpec) { edit(s); s.Container.Image = "image:2" })
			atOnce := value(update.Parallelism, 1)
			if atOnce == 0 {
				atOnce = 6
			}
			least, most := 6-atOnce, 6
			if update.Order == api.StartFirst {
				least, most = 6, 6+atOnce
			}
			for range 1000 {
				w.plan()
				count := len(w.running("web"))
				require.GreaterOrEqual(t, count, least)
				require.LessOrEqual(t, count, most)
				w.obey()
				w.now = w.now.Add(200 * time.Millisecond)
				if r := w.rollout("web"); r != nil && r.State == api.RolloutCompleted {
					break
				}
			}
			require.Equal(t, api.RolloutCompleted, w.rollout("web").State)
			w.settle(time.Minute)
			require.Equal(t, map[int]int{2: 6}, revisions(w.running("web")))
		})
	}
}

func TestAFailingUpdatePausesAndSaysWhy(t *testing.T) {
	w := newWorld(t, 3)
	w.submit("web", 4, nil)
	w.settle(time.Minute)
	w.crash[2] = true
	w.submit("web", 4, func(s *api.ServiceSpec) { s.Container.Image = "image:2" })
	w.settle(time.Hour)
	require.Equal(t, api.RolloutPaused, w.rollout("web").State)
	require.Contains(t, w.rollout("web").Message, "1 of 4 tasks failed")
	require.Contains(t, w.rollout("web").Message, "orc service rollback web")
	require.Equal(t, map[int]int{1: 3}, revisions(w.running("web")))

	node := w.running("web")[0].Node
	w.setNode(node, func(n *api.Node, _ *api.NodeStatus) { n.Availability = api.AvailabilityDrain })
	w.settle(time.Minute)
	require.Equal(t, map[int]int{1: 3}, revisions(w.running("web")), "what is replaced meanwhile stays at its revision")

	service := *store.Get[api.Service](w.snapshot, "web")
	service.Current, service.Previous = 1, 2
	w.put(&service)
	w.settle(time.Hour)
	require.Equal(t, api.RolloutRollbackComplete, w.rollout("web").State)
	require.Equal(t, map[int]int{1: 4}, revisions(w.running("web")))
}

func TestAFailingUpdateRollsBackByItself(t *testing.T) {
	w := newWorld(t, 3)
	w.submit("web", 4, nil)
	w.settle(time.Minute)
	w.crash[2] = true
	w.submit("web", 4, func(s *api.ServiceSpec) {
		s.Container.Image, s.Update.FailureAction = "image:2", api.FailureRollback
	})
	w.settle(time.Hour)
	require.Equal(t, 1, store.Get[api.Service](w.snapshot, "web").Current)
	require.Equal(t, api.RolloutRollbackComplete, w.rollout("web").State)
	require.Equal(t, map[int]int{1: 4}, revisions(w.running("web")))
}

func TestAFailingUpdateGoesOnWhenTold(t *testing.T) {
	w := newWorld(t, 3)
	w.submit("web", 4, nil)
	w.settle(time.Minute)
	w.crash[2] = true
	w.submit("web", 4, func(s *api.ServiceSpec) {
		s.Container.Image, s.Update.FailureAction = "image:2", api.FailureContinue
	})
	w.settle(time.Hour)
	require.Equal(t, api.RolloutCompleted, w.rollout("web").State)
	require.Empty(t, w.running("web"))
}

func TestANewRevisionDuringAnUpdateTakesOver(t *testing.T) {
	w := newWorld(t, 3)
	w.submit("web", 6, nil)
	w.settle(time.Minute)
	w.submit("web", 6, func(s *api.ServiceSpec) { s.Container.Image = "image:2" })
	for range 20 {
		w.plan()
		w.obey()
		w.now = w.now.Add(time.Second)
	}
	w.submit("web", 6, func(s *api.ServiceSpec) { s.Container.Image = "image:3" })
	w.settle(time.Hour)
	require.Equal(t, map[int]int{3: 6}, revisions(w.running("web")))
	require.Equal(t, 3, w.rollout("web").To)
}

func TestAClockThatIsOffDoesNotStallAnUpdate(t *testing.T) {
	now := start
	p := &pass{Planner: New(store.NewSnapshot(1)), now: now}
	m := &member{
		task:   &api.Task{Meta: api.Meta{Created: now.Add(-10 * time.Second)}, Node: "n", Desired: api.DesiredRun},
		status: &api.TaskStatus{Meta: api.Meta{Updated: now.Add(-8 * time.Second)}, State: api.TaskRunning, Since: now.Add(5 * time.Hour)},
	}
	result, _ := p.judge(m, 5*time.Second)
	require.Equal(t, good, result)
	m.status.Since = now.Add(-5 * time.Hour)
	result, at := p.judge(m, 15*time.Second)
	require.Equal(t, unknown, result)
	require.Equal(t, now.Add(5*time.Second), at)

	m.task.Updated = now.Add(-time.Second) // it was made ready before, and told to run then
	result, at = p.judge(m, 5*time.Second)
	require.Equal(t, unknown, result)
	require.Equal(t, now.Add(4*time.Second), at)
}

func TestHistoryIsBounded(t *testing.T) {
	w := newWorld(t, 1)
	for i := range 15 {
		w.submit("web", 1, func(s *api.ServiceSpec) { s.Force = i })
		w.settle(time.Hour)
	}
	require.LessOrEqual(t, store.Count[api.Revision](w.snapshot), api.RevisionHistoryLimit+1)
	require.LessOrEqual(t, store.Count[api.Task](w.snapshot), api.TaskHistoryLimit+1)
}

func TestAChangeOfNoContainerReplacesNone(t *testing.T) {
	w := newWorld(t, 3)
	w.submit("web", 4, nil)
	w.settle(time.Minute)
	before := make(map[string]bool)
	for _, task := range w.running("web") {
		before[task.ID] = true
	}
	w.submit("web", 4, func(s *api.ServiceSpec) { s.Update.Parallelism, s.Update.Delay = pointer(4), api.Duration(time.Second) })
	w.settle(time.Minute)
	require.Equal(t, map[int]int{2: 4}, revisions(w.running("web")))
	for _, task := range w.running("web") {
		require.True(t, before[task.ID], "the task is the one that was there")
	}
	w.submit("web", 4, func(s *api.ServiceSpec) { s.Container.Env = []string{"A=b"} })
	w.settle(time.Minute)
	for _, task := range w.running("web") {
		require.False(t, before[task.ID], "a change of the environment replaces")
	}
}

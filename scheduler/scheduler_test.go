package scheduler

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func nodesOf(tasks []*api.Task) map[string]int {
	counts := make(map[string]int)
	for _, task := range tasks {
		counts[task.Node]++
	}
	return counts
}

func pointer[T any](value T) *T { return &value }

func TestReplicasAreSpreadAndScaled(t *testing.T) {
	w := newWorld(t, 3)
	w.submit("web", 6, nil)
	w.settle(time.Minute)
	require.Equal(t, map[string]int{"n001": 2, "n002": 2, "n003": 2}, nodesOf(w.running("web")))

	service := *store.Get[api.Service](w.snapshot, "web")
	service.Replicas = 3
	w.put(&service)
	w.settle(time.Minute)
	require.Equal(t, map[string]int{"n001": 1, "n002": 1, "n003": 1}, nodesOf(w.running("web")))
	require.Equal(t, 3, store.Count[api.Task](w.snapshot), "what was scaled away is forgotten")
	require.Empty(t, w.plan(), "a settled cluster needs nothing")
}

func TestAGlobalServiceFollowsTheNodes(t *testing.T) {
	w := newWorld(t, 2)
	w.submit("agent", 0, func(s *api.ServiceSpec) {
		s.Mode = api.ModeGlobal
		s.Placement.Constraints = []string{"node.labels.no!=1"}
	})
	w.settle(time.Minute)
	require.Len(t, w.running("agent"), 2)
	w.put(&api.Node{Meta: api.Meta{ID: "n009"}, Name: "n009", Availability: api.AvailabilityActive, Runs: true},
		&api.NodeStatus{Meta: api.Meta{ID: "n009"}, State: api.NodeReady})
	w.settle(time.Minute)
	require.Len(t, w.running("agent"), 3)
	w.setNode("n001", func(n *api.Node, _ *api.NodeStatus) { n.Labels = map[string]string{"no": "1"} })
	w.settle(time.Minute)
	require.Equal(t, map[string]int{"n002": 1, "n009": 1}, nodesOf(w.running("agent")))
	w.setNode("n001", func(n *api.Node, _ *api.NodeStatus) { n.Labels = nil })
	w.settle(time.Minute)
	require.Len(t, w.running("agent"), 3)
}

func TestTasksOfALostNodeRunElsewhereAndStayThere(t *testing.T) {
	w := newWorld(t, 3)
	w.submit("web", 3, nil)
	w.settle(time.Minute)
	w.setNode("n002", func(_ *api.Node, s *api.NodeStatus) { s.State = api.NodeDown })
	w.settle(time.Minute)
	var elsewhere int
	for node, count := range nodesOf(w.running("web")) {
		require.NotEqual(t, "n002", node)
		elsewhere += count
	}
	require.Equal(t, 3, elsewhere)
	w.setNode("n002", func(_ *api.Node, s *api.NodeStatus) { s.State = api.NodeReady })
	w.settle(time.Minute)
	require.Len(t, w.running("web"), 3)
	for task := range store.All[api.Task](w.snapshot) {
		if task.Node == "n002" {
			require.Equal(t, api.DesiredShutdown, task.Desired)
			require.Equal(t, "node n002 is down", task.Reason)
		}
	}
}

func TestARemovedNodesTasksAreLost(t *testing.T) {
	w := newWorld(t, 2)
	w.submit("web", 2, nil)
	w.settle(time.Minute)
	w.commit(Step{Before: store.Get[api.Node](w.snapshot, "n001")}, Step{Before: store.Get[api.NodeStatus](w.snapshot, "n001")})
	w.settle(time.Minute)
	require.Equal(t, map[string]int{"n002": 2}, nodesOf(w.running("web")))
}

func TestDrainAndPause(t *testing.T) {
	w := newWorld(t, 2)
	w.submit("web", 2, nil)
	w.settle(time.Minute)
	w.setNode("n001", func(n *api.Node, _ *api.NodeStatus) { n.Availability = api.AvailabilityPause })
	w.settle(time.Minute)
	require.Len(t, nodesOf(w.running("web")), 2, "a paused node keeps its tasks")
	w.setNode("n001", func(n *api.Node, _ *api.NodeStatus) { n.Availability = api.AvailabilityDrain })
	w.settle(time.Minute)
	require.Equal(t, map[string]int{"n002": 2}, nodesOf(w.running("web")))
}

func TestAPendingTaskSaysWhyAndIsPlacedWhenThereIsRoom(t *testing.T) {
	w := newWorld(t, 3)
	w.setNode("n003", func(n *api.Node, _ *api.NodeStatus) { n.Availability = api.AvailabilityDrain })
	w.submit("big", 1, func(s *api.ServiceSpec) { s.Resources.Reservations.Memory = 900 << 30 })
	w.settle(time.Minute)
	task := store.First[api.Task](w.snapshot, store.ByService, "big")
	require.Empty(t, task.Node)
	require.Equal(t, "no node fits: n003 is drained, n001 and n002 lack memory", task.Reason)
	w.setNode("n002", func(_ *api.Node, s *api.NodeStatus) { s.Info.Capacity.Memory = 1 << 40 })
	w.settle(time.Minute)
	require.Equal(t, map[string]int{"n002": 1}, nodesOf(w.running("big")))
}

func TestFiltersSayWhatIsWrong(t *testing.T) {
	for want, edit := range map[string]func(*api.ServiceSpec){
		"n001 and n002 do not meet the constraints":          func(s *api.ServiceSpec) { s.Placement.Constraints = []string{"node.hostname==x"} },
		"n001 and n002 have another platform":                func(s *api.ServiceSpec) { s.Placement.Platforms = []api.Platform{{OS: "linux", Arch: "s390x"}} },
		"n001 and n002 lack cpu":                             func(s *api.ServiceSpec) { s.Resources.Reservations.NanoCPUs = 100e9 },
		"n001 and n002 lack generic resources":               func(s *api.ServiceSpec) { s.Resources.Reservations.Generic = map[string]int64{"gpu": 1} },
		"n001 and n002 have as many tasks of it as they may": func(s *api.ServiceSpec) { s.Placement.MaxPerNode = 1 },
		"n001 and n002 have the host port taken":             func(s *api.ServiceSpec) { s.Ports = []api.Port{{Target: 80, Published: 80, Mode: "host"}} },
	} {
		t.Run(want, func(t *testing.T) {
			w := newWorld(t, 2)
			w.submit("web", 3, edit)
			w.settle(time.Minute)
			var reasons []string
			for task := range store.Find[api.Task](w.snapshot, store.ByService, "web") {
				if task.Node == "" {
					reasons = append(reasons, task.Reason)
				}
			}
			require.NotEmpty(t, reasons)
			require.Equal(t, "no node fits: "+want, reasons[0])
		})
	}
}

func TestAHostPortThatTheClusterChoosesIsOnceOnANode(t *testing.T) {
	w := newWorld(t, 1)
	automatic := func(s *api.ServiceSpec) { s.Ports = []api.Port{{Target: 80, Mode: "host"}} }
	w.submit("a", 2, automatic)
	w.submit("b", 1, automatic)
	w.submit("c", 1, func(s *api.ServiceSpec) { s.Ports = []api.Port{{Target: 9, Published: 80, Mode: "host"}} })
	w.settle(time.Minute)
	require.Len(t, w.running("a"), 1, "both would have the same number")
	require.Len(t, w.running("b"), 1, "it has a number of its own")
	require.Len(t, w.running("c"), 1, "80 is the containers' port of the others, not the node's")
}

func TestPreferencesSpreadOverSeveralLevels(t *testing.T) {
	w := newWorld(t, 6)
	for i := range 6 {
		w.setNode(fmt.Sprintf("n%03d", i+1), func(n *api.Node, _ *api.NodeStatus) {
			n.Labels = map[string]string{"zone": map[bool]string{true: "a", false: "b"}[i < 5], "rack": fmt.Sprint(i % 2)}
		})
	}
	w.submit("web", 8, func(s *api.ServiceSpec) {
		s.Placement.Preferences = []api.Preference{{Spread: "node.labels.zone"}, {Spread: "node.labels.rack"}}
	})
	w.settle(time.Minute)
	counts := nodesOf(w.running("web"))
	require.Equal(t, 4, counts["n006"], "half of the tasks are in zone b, which has one node: %v", counts)
}

func TestAVolumeHoldsItsTaskToTheNode(t *testing.T) {
	w := newWorld(t, 2)
	w.submit("db", 1, func(s *api.ServiceSpec) {
		s.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}}
	})
	w.settle(time.Minute)
	require.Equal(t, map[string]int{"n001": 1}, nodesOf(w.running("db")))
	w.setNode("n001", func(n *api.Node, _ *api.NodeStatus) { n.Availability = api.AvailabilityDrain })
	w.settle(time.Minute)
	require.Empty(t, w.running("db"))
	w.setNode("n001", func(n *api.Node, _ *api.NodeStatus) { n.Availability = api.AvailabilityActive })
	w.settle(time.Minute)
	require.Equal(t, map[string]int{"n001": 1}, nodesOf(w.running("db")))
}

func TestARejectedTaskIsTriedAgainWithGrowingPauses(t *testing.T) {
	w := newWorld(t, 2)
	w.submit("web", 1, nil)
	var at []time.Time
	for range 5 {
		w.plan()
		for len(w.snapshotPlaced("web")) == 0 {
			w.now = w.planner.Plan(w.now).Wake
			w.plan()
		}
		at = append(at, w.now)
		task := w.snapshotPlaced("web")[0]
		w.put(&api.TaskStatus{Meta: api.Meta{ID: task.ID, Updated: w.now}, Node: task.Node, State: api.TaskRejected, Since: w.now, Message: "no such image"})
	}
	for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second} {
		require.Equal(t, want, at[i+1].Sub(at[i]))
	}
}

// snapshotPlaced are the tasks that should run and have not been rejected.
func (w *world) snapshotPlaced(service string) []*api.Task {
	var found []*api.Task
	for task := range store.Find[api.Task](w.snapshot, store.ByService, service) {
		if task.Desired == api.DesiredRun && task.Node != "" && store.Get[api.TaskStatus](w.snapshot, task.ID) == nil {
			found = append(found, task)
		}
	}
	return found
}

func TestARemovedServiceLeavesNothing(t *testing.T) {
	w := newWorld(t, 2)
	w.submit("web", 4, nil)
	w.settle(time.Minute)
	w.submit("web", 4, func(s *api.ServiceSpec) { s.Container.Image = "image:2" })
	w.settle(10 * time.Minute)
	w.commit(Step{Before: store.Get[api.Service](w.snapshot, "web")})
	w.settle(time.Minute)
	require.Zero(t, store.Count[api.Task](w.snapshot))
	require.Zero(t, store.Count[api.TaskStatus](w.snapshot))
	require.Zero(t, store.Count[api.Revision](w.snapshot))
	require.Zero(t, store.Count[api.Rollout](w.snapshot))
}

func TestDependenciesOrderTheFirstStart(t *testing.T) {
	w := newWorld(t, 1)
	inApp := func(name string) {
		service := *store.Get[api.Service](w.snapshot, name)
		service.App, service.AppName = "app", "shop"
		w.put(&service)
	}
	w.submit("shop_web", 1, func(s *api.ServiceSpec) {
		s.DependsOn = []api.Dependency{{Service: "db", Condition: api.DependencyHealthy}}
	})
	inApp("shop_web")
	w.settle(time.Minute)
	require.Equal(t, "waits for shop_db (service_healthy), which does not exist", store.First[api.Task](w.snapshot, store.ByService, "shop_web").Reason)
	w.submit("shop_db", 1, nil)
	inApp("shop_db")
	w.settle(time.Minute)
	require.Len(t, w.running("shop_web"), 1)
}

func TestJobs(t *testing.T) {
	w := newWorld(t, 3)
	w.submit("batch", 5, func(s *api.ServiceSpec) { s.Mode, s.MaxConcurrent = api.ModeReplicatedJob, 2 })
	done := func() (count int) {
		for status := range store.All[api.TaskStatus](w.snapshot) {
			if status.State == api.TaskComplete && store.Get[api.Task](w.snapshot, status.ID).Desired == api.DesiredRun {
				count++
			}
		}
		return count
	}
	for range 30 {
		w.plan()
		busy := 0
		for task := range store.All[api.Task](w.snapshot) {
			if status := store.Get[api.TaskStatus](w.snapshot, task.ID); status == nil || !status.State.Terminal() {
				busy++
			}
		}
		require.LessOrEqual(t, busy, 2)
		w.obey()
	}
	require.Equal(t, 5, done())
	w.submit("batch", 5, func(s *api.ServiceSpec) { s.Mode, s.Force = api.ModeReplicatedJob, 1 })
	w.settle(time.Minute)
	require.Equal(t, 5, done(), "a new revision runs again")
}

func TestAScheduledJobRunsWhenItIsDue(t *testing.T) {
	w := newWorld(t, 1)
	w.submit("nightly", 1, func(s *api.ServiceSpec) { s.Mode, s.Schedule = api.ModeReplicatedJob, "30 12 * * *" })
	w.settle(time.Minute)
	require.Zero(t, store.Count[api.Task](w.snapshot))
	w.settle(time.Hour)
	require.Equal(t, 1, store.Count[api.Task](w.snapshot))
	w.settle(24 * time.Hour)
	require.Equal(t, 2, store.Count[api.Task](w.snapshot))
}

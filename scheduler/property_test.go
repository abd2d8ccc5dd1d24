package scheduler

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var storms = flag.Uint64("storms", 40, "how many storms to throw at the planner")

// storm is a world to which things happen, by a seed.
type storm struct {
	*world
	dice *rand.Rand
	// joined counts nodes, for the names of new ones; lives counts how often a
	// service was removed, for no ID is used again.
	joined int
	lives  map[string]int
	// newest is the latest time there was; the clock is behind it after it was put
	// back.
	newest time.Time
	behind bool
}

func newStorm(t *testing.T, seed uint64) *storm {
	s := &storm{world: newWorld(t, 4), dice: rand.New(rand.NewPCG(seed, 1)), joined: 4, lives: make(map[string]int)}
	s.dated = s.dice.IntN(8) == 0
	s.shuffle = s.dice.Shuffle // an update's changes come in no order that means anything
	for node := range store.All[api.Node](s.snapshot) {
		s.setNode(node.ID, func(n *api.Node, status *api.NodeStatus) {
			n.Labels = map[string]string{"zone": string('a' + rune(s.dice.IntN(2)))}
			status.Info.Capacity.Memory = int64(4+s.dice.IntN(8)) << 30
		})
	}
	return s
}

// pass lets time pass, or another manager lead, by its clock.
func (s *storm) pass() {
	s.now = s.now.Add(time.Duration(s.dice.IntN(3000)) * time.Millisecond)
	if s.newest.Before(s.now) {
		s.newest = s.now
	}
	put := s.dice.IntN(40) == 0
	if put {
		s.now = s.now.Add(-10 * time.Second)
	}
	if behind := s.now.Before(s.newest); put || s.behind != behind {
		s.behind, s.planner = behind, New(s.snapshot)
	}
}

func (s *storm) node() string {
	var ids []string
	for node := range store.All[api.Node](s.snapshot) {
		ids = append(ids, node.ID)
	}
	return ids[s.dice.IntN(len(ids))]
}

func (s *storm) spec(name string) func(*api.ServiceSpec) {
	return func(spec *api.ServiceSpec) {
		spec.Force = s.dice.Int()
		spec.Resources.Reservations.Memory = int64(s.dice.IntN(3)) << 29
		switch name {
		case "everywhere":
			spec.Mode = api.ModeGlobal
		case "job":
			spec.Mode = api.ModeReplicatedJob
			spec.MaxConcurrent = s.dice.IntN(3)
			return
		case "cron":
			spec.Mode, spec.Schedule = api.ModeReplicatedJob, "*/10 * * * *"
			return
		case "data":
			spec.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}}
		case "ports":
			spec.Ports = []api.Port{{Target: 80, Published: 8080, Mode: "host"}}
		case "spread":
			spec.Placement.Preferences = []api.Preference{{Spread: "node.labels.zone"}}
		case "zone":
			spec.Placement.Constraints = []string{"node.labels.zone==a"}
		}
		spec.Placement.Rebalance = name != "everywhere" && s.dice.IntN(3) == 0
		spec.Update.Parallelism = pointer(s.dice.IntN(4))
		spec.Update.Delay = api.Duration(s.dice.IntN(2)) * api.Duration(time.Second)
		spec.Update.Order = []api.UpdateOrder{api.StopFirst, api.StartFirst}[s.dice.IntN(2)]
		spec.Update.FailureAction = []api.FailureAction{api.FailurePause, api.FailureContinue, api.FailureRollback}[s.dice.IntN(3)]
		spec.Update.MaxFailureRatio = float64(s.dice.IntN(2)) / 3
	}
}

var stormServices = []string{"web", "everywhere", "job", "cron", "data", "ports", "spread", "zone"}

// strike lets one thing happen.
func (s *storm) strike() string {
	kind := stormServices[s.dice.IntN(len(stormServices))]
	name := kind + strings.Repeat("-again", s.lives[kind])
	service := store.Get[api.Service](s.snapshot, name)
	switch what := s.dice.IntN(14); {
	case what < 3 || service == nil:
		s.submit(name, s.dice.IntN(6), s.spec(kind))
		current := store.Get[api.Service](s.snapshot, name).Current
		s.crash[current], s.broken[current] = s.dice.IntN(4) == 0, s.dice.IntN(6) == 0
		return "submit " + name
	case what == 3:
		scaled := *service
		scaled.Replicas = s.dice.IntN(8)
		s.put(&scaled)
		return "scale " + name
	case what == 4 && service.Previous > 0:
		back := *service
		back.Current, back.Previous = service.Previous, service.Current
		s.put(&back)
		return "roll back " + name
	case what == 5:
		s.commit(Step{Before: service})
		s.lives[kind]++
		return "remove " + name
	case what == 6:
		s.joined++
		id := fmt.Sprintf("n%03d", s.joined)
		s.put(&api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleWorker, Availability: api.AvailabilityActive, Runs: true},
			&api.NodeStatus{Meta: api.Meta{ID: id}, State: api.NodeReady, Info: api.NodeInfo{Capacity: api.ResourceSet{Memory: 8 << 30}}})
		return "join " + id
	case what == 7 && store.Count[api.Node](s.snapshot) > 2:
		id := s.node()
		s.commit(Step{Before: store.Get[api.Node](s.snapshot, id)}, Step{Before: store.Get[api.NodeStatus](s.snapshot, id)})
		return "remove " + id
	case what == 8:
		id := s.node()
		s.setNode(id, func(n *api.Node, _ *api.NodeStatus) { n.Labels = map[string]string{"zone": "a"} })
		return "label " + id
	case what == 9:
		id := s.node()
		s.setNode(id, func(n *api.Node, _ *api.NodeStatus) {
			n.Availability = []api.Availability{api.AvailabilityActive, api.AvailabilityPause, api.AvailabilityDrain}[s.dice.IntN(3)]
		})
		return "availability " + id
	case what == 10:
		asked := *service
		asked.Rebalance++
		s.put(&asked)
		return "rebalance " + name
	}
	id := s.node()
	s.setNode(id, func(_ *api.Node, status *api.NodeStatus) {
		status.State = []api.NodeState{api.NodeReady, api.NodeReady, api.NodeDown}[s.dice.IntN(3)]
	})
	return "session " + id
}

// check looks at what must be so at any time.
func (s *storm) check() {
	memory := make(map[string]int64)
	living := make(map[string]int)
	for task := range store.All[api.Task](s.snapshot) {
		status := store.Get[api.TaskStatus](s.snapshot, task.ID)
		revision := store.Get[api.Revision](s.snapshot, api.RevisionID(task.Service, task.Revision))
		require.NotNil(s.t, revision, "a task's spec was forgotten")
		require.NotEmpty(s.t, task.Reason)
		if task.Node == "" || ended(task, status) {
			continue
		}
		memory[task.Node] += revision.Spec.Resources.Reservations.Memory
		if node := store.Get[api.Node](s.snapshot, task.Node); node != nil && task.Desired == api.DesiredRun {
			living[fmt.Sprint(task.Service, " ", task.Slot, " ", task.Node)]++
		}
	}
	s.checkPrepared()
	for id, reserved := range memory {
		if status := store.Get[api.NodeStatus](s.snapshot, id); status != nil {
			require.LessOrEqual(s.t, reserved, status.Info.Capacity.Memory, "node %s is over-committed", id)
		}
	}
	for what, count := range living {
		require.LessOrEqual(s.t, count, 2, "one slot on one node: %s", what)
	}
}

// checkPrepared looks at what is made ready: no more than may be under way at once,
// and each for a slot that has or had another task.
func (s *storm) checkPrepared() {
	for service := range store.All[api.Service](s.snapshot) {
		revision := store.Get[api.Revision](s.snapshot, api.RevisionID(service.ID, service.Current))
		update, rollback := value(revision.Spec.Update.Parallelism, 1), value(revision.Spec.Rollback.Parallelism, 1)
		count := 0
		for task := range store.Find[api.Task](s.snapshot, store.ByService, service.ID) {
			if task.Desired == api.DesiredReady && task.Revision == service.Current {
				require.NotEmpty(s.t, task.Node)
				count++
			}
		}
		require.True(s.t, update == 0 || count <= max(update, rollback), "%s: %d tasks are made ready", service.ID, count)
	}
}

// settled looks at what must be so when nothing happens any more: every service is
// as wanted, or says why not.
func (s *storm) settled() {
	for service := range store.All[api.Service](s.snapshot) {
		revision := store.Get[api.Revision](s.snapshot, api.RevisionID(service.ID, service.Current))
		rollout := store.Get[api.Rollout](s.snapshot, service.ID)
		paused := false
		if rollout != nil {
			paused = rollout.State == api.RolloutPaused || rollout.State == api.RolloutRollbackPaused
			require.True(s.t, !paused || rollout.Message != "")
		}
		if revision.Spec.Mode.Job() {
			continue
		}
		slots := make(map[string]bool)
		explained := false
		for task := range store.Find[api.Task](s.snapshot, store.ByService, service.ID) {
			explained = explained || task.Desired == api.DesiredRun && task.Node == ""
		}
		for task := range store.Find[api.Task](s.snapshot, store.ByService, service.ID) {
			status := store.Get[api.TaskStatus](s.snapshot, task.ID)
			if task.Desired != api.DesiredRun {
				continue
			}
			key := fmt.Sprint(task.Slot, task.Node)
			if task.Slot > 0 {
				key = fmt.Sprint(task.Slot)
			}
			node := store.Get[api.NodeStatus](s.snapshot, task.Node)
			at := status != nil && status.State == api.TaskRunning && task.Revision == service.Current
			away := node != nil && node.State != api.NodeReady
			require.True(s.t, !slots[key] || paused || explained || away, "%s has two tasks for good in one slot", service.ID)
			slots[key] = true
			failing := status != nil && status.State.Terminal()
			require.True(s.t, at || task.Node == "" || away || failing || paused || explained || s.crash[task.Revision] || s.broken[task.Revision],
				"%s %s: revision %d of %d, node %s: %+v", service.ID, key, task.Revision, service.Current, task.Node, status)
			require.False(s.t, rollout != nil && active(rollout.State) && !explained && at && len(slots) == service.Replicas && !away && service.Replicas > 0 && !s.lagging(service),
				"%s: the rollout never ends: %+v", service.ID, rollout)
		}
		if stopped := rollout != nil && rollout.State == api.RolloutRebalanceStopped; revision.Spec.Placement.Rebalance && !paused && !stopped {
			moves, _ := New(s.snapshot).Moves(service.ID, s.now)
			require.Empty(s.t, moves, "%s could be spread better", service.ID)
		}
		if !revision.Spec.Mode.Global() {
			require.Len(s.t, slots, service.Replicas, service.ID)
		}
	}
	for task := range store.All[api.Task](s.snapshot) {
		if rollout := store.Get[api.Rollout](s.snapshot, task.Service); task.Desired == api.DesiredReady {
			require.True(s.t, rollout != nil && active(rollout.State), "nobody waits for a task that is made ready: %+v", task)
		}
		if store.Get[api.Service](s.snapshot, task.Service) == nil {
			node := store.Get[api.NodeStatus](s.snapshot, task.Node)
			require.True(s.t, node != nil && node.State == api.NodeDown, "a removed service's task stays: %+v", task)
		}
	}
}

// picture is the world in words.
func (s *storm) picture() string {
	var b strings.Builder
	for node := range store.All[api.Node](s.snapshot) {
		status := store.Get[api.NodeStatus](s.snapshot, node.ID)
		fmt.Fprintln(&b, node.ID, node.Availability, node.Labels["zone"], status.State, status.Info.Capacity.Memory>>20)
	}
	for service := range store.All[api.Service](s.snapshot) {
		fmt.Fprintf(&b, "%s: %d of revision %d, crashes: %v\n", service.ID, service.Replicas, service.Current, s.crash)
		if rollout := store.Get[api.Rollout](s.snapshot, service.ID); rollout != nil {
			fmt.Fprintln(&b, "  rollout", rollout.From, rollout.To, rollout.State, rollout.Failed, rollout.Message)
		}
		for task := range store.Find[api.Task](s.snapshot, store.ByService, service.ID) {
			state := api.TaskState("-")
			if status := store.Get[api.TaskStatus](s.snapshot, task.ID); status != nil {
				state = status.State
			}
			fmt.Fprintf(&b, "  slot %d node %s revision %d run %d: %s %s, %s\n", task.Slot, task.Node, task.Revision, task.Iteration, task.Desired, state, task.Reason)
		}
	}
	return b.String()
}

// lagging says whether the service has tasks that do not run at its revision.
func (s *storm) lagging(service *api.Service) bool {
	for task := range store.Find[api.Task](s.snapshot, store.ByService, service.ID) {
		status := store.Get[api.TaskStatus](s.snapshot, task.ID)
		if task.Desired == api.DesiredRun && (status == nil || status.State != api.TaskRunning || task.Revision != service.Current) {
			return true
		}
	}
	return false
}

// TestWhateverHappensThePlannerSettles throws a storm at each of many worlds. All
// along a planner that remembers must plan what one that sees the world for the
// first time does.
func TestWhateverHappensThePlannerSettles(t *testing.T) {
	for seed := range *storms {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newStorm(t, seed)
			var story []string
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(story)
					t.Log(s.picture())
				}
			})
			for range 40 {
				story = append(story, s.strike())
				for range s.dice.IntN(6) {
					fresh := New(s.snapshot).Plan(s.now)
					again := New(s.snapshot).Plan(s.now)
					require.Equal(t, fresh, again, "the same plan for the same view")
					plan := s.planner.Plan(s.now)
					if !s.behind { // else the one has waited since it first saw times that are still to come
						require.Equal(t, deeds(fresh.Steps), deeds(plan.Steps), "memory is only speed")
						if !s.explained() {
							require.Equal(t, fresh.Wake, plan.Wake, "so it knows the same times")
						}
					}
					s.apply(plan)
					s.check()
					s.obey()
					s.pass()
				}
			}
			s.calm()
			s.settled()
		})
	}
}

// deeds are the steps that do something. Explanations may come later to a planner
// that remembers: it does not look again at what is pending when nodes fill up.
func deeds(steps []Step) []Step {
	deeds := []Step{}
	for _, step := range steps {
		if step.Action != ExplainTask {
			deeds = append(deeds, step)
		}
	}
	return deeds
}

// explained says whether any task is pending.
func (s *storm) explained() bool {
	for task := range store.All[api.Task](s.snapshot) {
		if task.Node == "" {
			return true
		}
	}
	return false
}

// calm goes on until no steps are planned for long.
func (s *storm) calm() {
	for quiet, rounds := 0, 0; quiet < 40; rounds++ {
		require.Less(s.t, rounds, 5000, "the planner never settles")
		steps := s.plan()
		s.check()
		if obeyed := s.obey(); len(steps) > 0 || obeyed {
			quiet = 0
		} else {
			quiet++
		}
		s.now = s.now.Add(500 * time.Millisecond)
	}
}

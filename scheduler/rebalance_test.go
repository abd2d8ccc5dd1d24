package scheduler

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// lopsided is a world with a service whose tasks are anywhere, by a seed.
func lopsided(t *testing.T, dice *rand.Rand) (w *world, replicas, parallelism int, order api.UpdateOrder) {
	w = newWorld(t, 2+dice.IntN(6))
	var nodes []string
	for node := range store.All[api.Node](w.snapshot) {
		nodes = append(nodes, node.ID)
		w.setNode(node.ID, func(n *api.Node, status *api.NodeStatus) {
			n.Labels = map[string]string{"zone": string('a' + rune(dice.IntN(3)))}
			status.Info.Capacity.Memory = int64(2+dice.IntN(20)) << 30
			if dice.IntN(6) == 0 {
				n.Availability = api.AvailabilityPause
			}
		})
	}
	replicas, parallelism = 1+dice.IntN(12), dice.IntN(4)
	order = []api.UpdateOrder{api.StopFirst, api.StartFirst}[dice.IntN(2)]
	w.submit("web", replicas, func(spec *api.ServiceSpec) {
		spec.Update.Parallelism, spec.Update.Order = &parallelism, order
		spec.Resources.Reservations.Memory = int64(dice.IntN(2)) << 30
		if dice.IntN(2) == 0 {
			spec.Placement.Preferences = []api.Preference{{Spread: "node.labels.zone"}}
		}
	})
	for slot := range replicas {
		task := &api.Task{
			Meta: api.Meta{ID: fmt.Sprint("old", slot), Created: w.now.Add(-time.Hour), Updated: w.now.Add(-time.Hour)}, Service: "web", Revision: 1, Slot: slot + 1,
			Node: nodes[dice.IntN(len(nodes))], Desired: api.DesiredRun, Reason: "new",
		}
		w.put(task, &api.TaskStatus{
			Meta: api.Meta{ID: task.ID, Updated: task.Created}, Node: task.Node, State: api.TaskRunning, Since: task.Created,
		})
	}
	return w, replicas, parallelism, order
}

// TestARebalanceMovesWhatItSaidAtItsPaceAndEnds throws dice for clusters and where
// a service's tasks are.
func TestARebalanceMovesWhatItSaidAtItsPaceAndEnds(t *testing.T) {
	moved := 0
	for seed := range 10 * *storms {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w, replicas, parallelism, order := lopsided(t, rand.New(rand.NewPCG(seed, 2)))
			moves, _ := New(w.snapshot).Moves("web", w.now)
			again, _ := New(w.snapshot).Moves("web", w.now)
			require.Equal(t, again, moves, "the same answer for the same view")
			said := make(map[string]bool)
			for _, move := range moves {
				require.NotEqual(t, move.From, move.To)
				require.False(t, said[move.Task.ID], "a task moves twice")
				said[move.Task.ID] = true
			}
			moved += len(moves)
			if parallelism == 0 {
				parallelism = replicas
			}

			service := *store.Get[api.Service](w.snapshot, "web")
			service.Rebalance++
			w.put(&service)
			for quiet, rounds := 0, 0; quiet < 20; rounds++ {
				require.Less(t, rounds, 2000, "it never ends")
				quiet++
				if len(w.plan()) > 0 || w.obey() {
					quiet = 0
				}
				running := len(w.running("web"))
				if order == api.StartFirst {
					require.GreaterOrEqual(t, running, replicas)
					require.LessOrEqual(t, running, replicas+parallelism)
				} else {
					require.GreaterOrEqual(t, running, replicas-parallelism)
					require.LessOrEqual(t, running, replicas)
				}
				w.now = w.now.Add(500 * time.Millisecond)
			}
			record := store.Get[api.Rollout](w.snapshot, "web")
			require.Equal(t, api.RolloutRebalanced, record.State)
			require.Len(t, w.running("web"), replicas)
			left, why := New(w.snapshot).Moves("web", w.now)
			require.Empty(t, left)
			require.NotEmpty(t, why)
			if store.Get[api.Revision](w.snapshot, "web.1").Spec.Resources.Reservations.Memory > 0 {
				return // where there is room may turn out otherwise while old tasks still hold theirs
			}
			for slot := range replicas {
				id := fmt.Sprint("old", slot)
				task := store.Get[api.Task](w.snapshot, id)
				stays := task != nil && task.Desired == api.DesiredRun
				require.Equal(t, !said[id], stays, "what was not named stays, what was moves")
			}
			require.Equal(t, len(moves), record.Moved)
		})
	}
	require.Greater(t, moved, int(*storms), "the dice gave next to nothing to do")
}

func TestWhyNothingMoves(t *testing.T) {
	w := newWorld(t, 3)
	edits := map[string]func(*api.ServiceSpec){
		"everywhere": func(spec *api.ServiceSpec) { spec.Mode = api.ModeGlobal },
		"job":        func(spec *api.ServiceSpec) { spec.Mode = api.ModeReplicatedJob },
		"data": func(spec *api.ServiceSpec) {
			spec.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}}
		},
		"even": nil,
	}
	for name, edit := range edits {
		w.submit(name, 2, edit)
	}
	w.settle(time.Minute)
	for name, want := range map[string]string{
		"everywhere": "one task on every node", "job": "run to their end", "data": "volume data", "even": "as evenly", "none": "gone",
	} {
		moves, why := New(w.snapshot).Moves(name, w.now)
		require.Empty(t, moves, name)
		require.Contains(t, why, want)
	}
}

// BenchmarkMoves weighs a service whose 100 tasks are on one of 1,000 nodes.
func BenchmarkMoves(b *testing.B) {
	w := newWorld(b, 1000)
	w.submit("web", 100, nil)
	for slot := range 100 {
		task := &api.Task{Meta: api.Meta{ID: fmt.Sprint("old", slot)}, Service: "web", Revision: 1, Slot: slot + 1, Node: "n001", Desired: api.DesiredRun}
		w.put(task, &api.TaskStatus{Meta: api.Meta{ID: task.ID}, Node: task.Node, State: api.TaskRunning})
	}
	planner := New(w.snapshot)
	for b.Loop() {
		moves, _ := planner.Moves("web", w.now)
		require.Len(b, moves, 99)
	}
}

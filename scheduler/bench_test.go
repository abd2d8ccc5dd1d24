package scheduler

import (
	"fmt"
	"testing"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// cluster has services with reservations and as many replicas each.
func cluster(b *testing.B, nodes, services, replicas int) *world {
	w := newWorld(b, nodes)
	builder := store.NewBuilder(w.snapshot)
	for i := range services {
		id := fmt.Sprintf("service-%04d", i)
		spec := api.ServiceSpec{Name: id, Container: api.ContainerSpec{Image: "image:1"}}
		spec.Resources.Reservations = api.ResourceSet{NanoCPUs: 1e8, Memory: 64 << 20}
		spec.Defaults()
		builder.Put(&api.Service{Meta: api.Meta{ID: id}, Name: id, Current: 1, Last: 1, Replicas: replicas})
		builder.Put(&api.Revision{Meta: api.Meta{ID: api.RevisionID(id, 1)}, Service: id, Number: 1, Spec: spec})
	}
	w.snapshot = builder.Snapshot(2)
	return w
}

// BenchmarkPlacement places 100,000 tasks of 1,000 services on 5,000 nodes.
func BenchmarkPlacement(b *testing.B) {
	const services, replicas = 1000, 100
	w := cluster(b, 5000, services, replicas)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		planner := New(w.snapshot)
		b.StartTimer()
		plan := planner.Plan(start)
		if len(plan.Steps) != services*replicas {
			b.Fatal(len(plan.Steps), "steps")
		}
	}
	b.ReportMetric(float64(b.N)*services*replicas/b.Elapsed().Seconds(), "tasks/s")
}

// BenchmarkOneChange observes and plans that one of 1,000 services was scaled by one,
// all others being settled.
func BenchmarkOneChange(b *testing.B) {
	w := cluster(b, 5000, 1000, 100)
	w.planner = New(w.snapshot)
	for steps := w.planner.Plan(start).Steps; len(steps) > 0; steps = w.planner.Plan(start).Steps {
		w.commit(steps...)
	}
	var updates [2]store.Update
	for i := range updates {
		service := *store.Get[api.Service](w.snapshot, "service-0500")
		service.Replicas += i
		builder := store.NewBuilder(w.snapshot)
		builder.Put(&service)
		updates[i] = store.Update{Snapshot: builder.Snapshot(int64(10 + i)), Changes: []store.Change{{Kind: api.KindService, ID: service.ID, New: &service}}}
	}
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		w.planner.Observe(updates[i%2])
		if steps := w.planner.Plan(start).Steps; len(steps) != i%2 {
			b.Fatal(len(steps), "steps")
		}
	}
}

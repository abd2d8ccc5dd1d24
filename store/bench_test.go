package store_test

import (
	"fmt"
	"testing"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// BenchmarkApply tells the cost of the next snapshot among 100,000 tasks.
func BenchmarkApply(b *testing.B) {
	task := func(i, node int) *api.Task {
		return &api.Task{Meta: api.Meta{ID: fmt.Sprintf("task%021d", i)}, Service: fmt.Sprintf("s%d", i%1000), Node: fmt.Sprintf("n%d", node)}
	}
	builder := store.NewBuilder(nil)
	for i := range 100_000 {
		builder.Put(task(i, i%5000))
	}
	base := builder.Snapshot(1)
	for _, count := range []int{1, 512} {
		b.Run(fmt.Sprintf("changes=%d", count), func(b *testing.B) {
			b.ReportAllocs()
			for round := 0; b.Loop(); round++ {
				builder := store.NewBuilder(base)
				for i := range count {
					builder.Put(task(i*190, round%5000))
				}
				builder.Snapshot(int64(round))
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "µs/change")
		})
	}
}

package etcd_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// BenchmarkCommit tells the tasks per second that one writer gets to disk and
// into the snapshot, in transactions of 512, and the most there may be in one.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 512, store.MaxOps} {
		b.Run(fmt.Sprintf("tasks=%d", size), func(b *testing.B) {
			_, s := start(b)
			revision, count := int64(0), 0
			for b.Loop() {
				var tx store.Tx
				for range size {
					tx.Create(placedTask(count))
					count++
				}
				var err error
				revision, err = s.Commit(b.Context(), &tx)
				require.NoError(b, err)
			}
			_, err := s.WaitFor(b.Context(), revision)
			require.NoError(b, err)
			b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}

// BenchmarkRename tells the cost of names: each operation moves one.
func BenchmarkRename(b *testing.B) {
	_, s := start(b)
	for round := 0; b.Loop(); round++ {
		var tx store.Tx
		for i := range 512 {
			tx.Set(&api.Service{Meta: api.Meta{ID: fmt.Sprint(i)}, Name: fmt.Sprintf("service-%d-%d", i, round)})
		}
		_, err := s.Commit(b.Context(), &tx)
		require.NoError(b, err)
	}
}

func placedTask(i int) *api.Task {
	return &api.Task{
		Meta: api.Meta{ID: fmt.Sprintf("task%021d", i)}, Service: fmt.Sprintf("service%018d", i%1000), Revision: 1,
		Slot: i, Node: fmt.Sprintf("node%021d", i%5000), Desired: api.DesiredRun, Reason: "first start",
	}
}

package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kills is how often BenchmarkLeaderKilled kills the leader.
const kills = 50

// BenchmarkLeaderKilled measures from the kill of the leading manager until a
// write through another one is acknowledged.
func BenchmarkLeaderKilled(b *testing.B) {
	s := newSeveral(b)
	var took []time.Duration
	for b.Loop() {
		for range kills {
			leader := s.leader(s.node(1))
			require.NoError(b, leader.KillProcess(b.Context()))
			took = append(took, s.write(s.others(leader)[0]))
			require.NoError(b, leader.Start(b.Context()))
			s.settled()
		}
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds(), "s/p50")
	b.ReportMetric(took[(len(took)*99+99)/100-1].Seconds(), "s/p99")
	b.ReportMetric(took[len(took)-1].Seconds(), "s/longest")
	b.ReportMetric(0, "ns/op")
}

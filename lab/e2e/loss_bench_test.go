package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/lab"
)

// losses is how often BenchmarkNodeLoss loses each kind of node in each way.
const losses = 3

// BenchmarkNodeLoss measures from the loss of a host until what ran there runs on
// others, as one of them tells. A host that is lost "closed" ends its process first, and
// with that its connections; one that is lost "silent" is to all others a pulled cable.
func BenchmarkNodeLoss(b *testing.B) {
	s := newSeveral(b)
	s.load()
	leader := func(s *several) *lab.Node { return s.leader(s.node(1)) }
	for _, victim := range []struct {
		name string
		of   func(*several) *lab.Node
	}{
		{"worker", func(s *several) *lab.Node { return s.node(4) }},
		{"manager", func(s *several) *lab.Node { return s.others(leader(s))[0] }},
		{"leader", leader},
	} {
		for _, way := range []struct {
			name   string
			closed bool
		}{{"closed", true}, {"silent", false}} {
			b.Run(victim.name+"-"+way.name, func(b *testing.B) {
				inner := *s
				inner.TB = b
				var took []time.Duration
				for b.Loop() {
					for range losses {
						took = append(took, inner.lose(victim.of(&inner), way.closed))
					}
				}
				slices.Sort(took)
				b.ReportMetric(took[0].Seconds(), "s/shortest")
				b.ReportMetric(took[len(took)/2].Seconds(), "s/p50")
				b.ReportMetric(took[len(took)-1].Seconds(), "s/longest")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// lose loses a host on which a task runs, waits until that is replaced, and lets the
// host boot again.
func (s *several) lose(victim *lab.Node, closed bool) time.Duration {
	s.Helper()
	by := s.others(victim)[0]
	s.orc(by, "service", "create", "--name", "clock", "--replicas", "4", "--network", "none", "clock:1.0")
	s.undisturbed(4)
	wait(3 * time.Second) // it has been well for a while
	there, err := s.runningOn(by, func(node string) bool { return node == victim.Name() })
	require.NoError(s, err)
	require.Positive(s, there)

	began, pid := time.Now(), victim.Pid()
	if closed {
		require.NoError(s, victim.KillProcess(s.Context()))
		for processExists(pid) { // its connections are closed before it is forgotten
			wait(time.Millisecond)
		}
	}
	require.NoError(s, victim.Cut())
	s.eventually("all tasks run elsewhere", func() error {
		n, err := s.runningOn(by, func(node string) bool { return node != victim.Name() })
		if err == nil && n != 4 {
			err = fmt.Errorf("%d do", n)
		}
		return err
	})
	took := time.Since(began)

	require.NoError(s, victim.Kill(s.Context()))
	require.NoError(s, victim.Heal())
	require.NoError(s, victim.Start(s.Context()))
	s.settled()
	s.orc(by, "service", "rm", "clock")
	s.eventually("every task is gone", func() error {
		tasks, err := ask(by, func(ctx context.Context, c *client.Client) ([]api.TaskView, error) {
			return c.Tasks(ctx, client.TaskQuery{})
		})
		if err == nil && len(tasks) > 0 {
			err = fmt.Errorf("still there: %s", describe(tasks))
		}
		return err
	})
	return took
}

// runningOn counts the tasks that run, and should, on some of the nodes.
func (s *several) runningOn(by *lab.Node, some func(node string) bool) (int, error) {
	tasks, err := s.clock(by)
	n := 0
	for _, task := range tasks {
		if task.Desired == api.DesiredRun && task.Status.State == api.TaskRunning && some(task.NodeName) {
			n++
		}
	}
	return n, err
}

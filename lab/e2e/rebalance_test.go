package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTasksGoBackToANodeThatReturnedWhenTheyAreAskedToOrMay(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "mover", "--replicas", "3", "--network", "none", "--auto-rebalance", "--update-monitor", "500ms", "clock:1.0")
	orc(t, "service", "create", "--name", "clock", "--replicas", "6", "--network", "none",
		"--update-order", "start-first", "--update-parallelism", "2", "--update-monitor", "500ms", "clock:1.0")
	waitRunning(t, "clock", 6)
	victim := lab.Nodes()[2]
	require.NoError(t, victim.Kill(t.Context()))
	elsewhere(t, "clock", 6, victim.Name())
	elsewhere(t, "mover", 3, victim.Name())
	stayed := containers(t, "mover")
	require.NoError(t, victim.Start(t.Context()))
	require.NoError(t, lab.WaitNodes(t.Context()))
	waitRunning(t, "clock", 6)
	require.Zero(t, perNode(t, "clock")[victim.Name()], "nothing moves by itself")

	before := containers(t, "clock")
	require.Contains(t, orc(t, "service", "rebalance", "--dry-run"), victim.Name())
	require.Equal(t, before, containers(t, "clock"), "a dry run moves nothing")

	orc(t, "service", "rebalance", "clock")
	waitRunning(t, "clock", 6)
	for name, count := range perNode(t, "clock") {
		require.Equal(t, 2, count, name)
	}
	same := 0
	for name, id := range containers(t, "clock") {
		if before[name] == id {
			same++
		}
	}
	require.Equal(t, 4, same, "only what had to has moved")
	require.Contains(t, orc(t, "service", "rebalance", "clock"), "as evenly as they can be")
	require.Contains(t, orc(t, "service", "inspect", "--pretty", "clock"), "2 tasks moved")

	// The other service does so by itself, once the node has been there for a minute.
	eventually(t, "a task of mover has moved back", func() error {
		if counts := perNode(t, "mover"); len(counts) != 3 {
			return fmt.Errorf("they are on %v", counts)
		}
		return nil
	})
	waitRunning(t, "mover", 3)
	same = 0
	for name, id := range containers(t, "mover") {
		if stayed[name] == id {
			same++
		}
	}
	require.Equal(t, 2, same, "only what had to has moved")
}

// perNode counts a service's running tasks by their nodes' names.
func perNode(t *testing.T, service string) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for _, task := range running(t, service) {
		counts[task.NodeName]++
	}
	return counts
}

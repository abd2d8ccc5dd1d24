package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestALostNodesTasksRunElsewhere(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "clock", "--replicas", "3", "--network", "none", "clock:1.0")
	waitRunning(t, "clock", 3)
	victim := lab.Nodes()[2]

	require.NoError(t, victim.Kill(t.Context()))
	elsewhere(t, "clock", 3, victim.Name())

	require.NoError(t, victim.Start(t.Context()))
	require.NoError(t, lab.WaitNodes(t.Context()))
	waitRunning(t, "clock", 3)
	nothingRunsOn(t, victim.Name())
}

func TestANodeCutOffKeepsItsContainersAndDropsTheReplacedOnesWhenItReturns(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "clock", "--replicas", "3", "--network", "none", "clock:1.0")
	victim := lab.Nodes()[1]
	var pid int
	for _, task := range waitRunning(t, "clock", 3) {
		if task.NodeName == victim.Name() {
			pid = container(task).Pid
		}
	}
	require.NotZero(t, pid)

	require.NoError(t, victim.Cut())
	healed := false
	t.Cleanup(func() {
		if !healed {
			require.NoError(t, victim.Heal())
		}
	})
	elsewhere(t, "clock", 3, victim.Name())
	require.DirExists(t, fmt.Sprintf("/proc/%d", pid), "a node that is cut off keeps its containers")

	require.NoError(t, victim.Heal())
	healed = true
	require.NoError(t, lab.WaitNodes(t.Context()))
	eventually(t, "the replaced container is stopped", func() error {
		if processExists(pid) {
			return fmt.Errorf("process %d runs", pid)
		}
		return nil
	})
	waitRunning(t, "clock", 3)
}

// elsewhere waits until n tasks run on other nodes than one.
func elsewhere(t *testing.T, service string, n int, not string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d tasks of %s run elsewhere than on %s", n, service, not), func() error {
		count := 0
		for _, task := range running(t, service) {
			if task.NodeName != not {
				count++
			}
		}
		if count != n {
			return fmt.Errorf("%d do: %s", count, describe(tasks(t, service)))
		}
		return nil
	})
}

// nothingRunsOn waits until a node runs no container that it should not.
func nothingRunsOn(t *testing.T, name string) {
	t.Helper()
	eventually(t, "no replaced task runs on "+name, func() error {
		for _, task := range tasks(t, "clock") {
			if task.NodeName == name && task.Desired != api.DesiredRun && !task.Status.State.Terminal() {
				return fmt.Errorf("%s is %s", task.ID, task.Status.State)
			}
		}
		return nil
	})
}

func processExists(pid int) bool { return syscall.Kill(pid, 0) == nil }

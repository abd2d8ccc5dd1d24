package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/lab"
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

	heal := cut(t, victim)
	elsewhere(t, "clock", 3, victim.Name())
	require.DirExists(t, fmt.Sprintf("/proc/%d", pid), "a node that is cut off keeps its containers")

	heal()
	require.NoError(t, lab.WaitNodes(t.Context()))
	eventually(t, "the replaced container is stopped", func() error {
		if processExists(pid) {
			return fmt.Errorf("process %d runs", pid)
		}
		return nil
	})
	waitRunning(t, "clock", 3)
}

func TestATaskThatMustNotRunCutOffIsStoppedThereAndRunsAgainLater(t *testing.T) {
	lab := cluster(t)
	victim := lab.Nodes()[1]
	orc(t, "service", "create", "--name", "clock", "--network", "none", "--constraint", "node.hostname=="+victim.Name(), "--isolation", "stop-after=2s", "clock:1.0")
	pid := container(waitRunning(t, "clock", 1)[0]).Pid
	heal := cut(t, victim)
	eventually(t, "the container is stopped", func() error {
		if processExists(pid) {
			return fmt.Errorf("process %d runs", pid)
		}
		return nil
	})
	heal()
	require.NoError(t, lab.WaitNodes(t.Context()))
	eventually(t, "the task runs again, or another in its place", func() error {
		now := running(t, "clock")
		if len(now) != 1 || !processExists(container(now[0]).Pid) {
			return fmt.Errorf("it does not: %s", describe(tasks(t, "clock")))
		}
		return nil
	})
	require.Contains(t, orc(t, "service", "ps", "--no-trunc", "clock"), "no manager was in reach")
}

// cut cuts a node off until heal is called, or the test ends.
func cut(t *testing.T, victim *lab.Node) (heal func()) {
	t.Helper()
	require.NoError(t, victim.Cut())
	healed := false
	heal = func() {
		if !healed {
			healed = true
			require.NoError(t, victim.Heal())
		}
	}
	t.Cleanup(heal)
	return heal
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

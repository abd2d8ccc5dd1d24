package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestScaleUpAndDown(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--network", "none", "clock:1.0")
	waitRunning(t, "clock", 1)
	orc(t, "service", "scale", "clock=5")
	before := waitRunning(t, "clock", 5)
	nodes := make(map[string]int)
	for _, task := range before {
		nodes[task.NodeName]++
	}
	require.Len(t, nodes, 3, "tasks are spread over the nodes")
	orc(t, "service", "scale", "clock=2")
	waitRunning(t, "clock", 2)
}

func TestARemovedContainerIsReplacedAndBothAreShown(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--network", "none", "clock:1.0")
	old := container(waitRunning(t, "clock", 1)[0]).Container
	orc(t, "rm", "-f", old)
	eventually(t, "the container is replaced", func() error {
		now := running(t, "clock")
		if len(now) != 1 || container(now[0]).Container == old {
			return fmt.Errorf("it is not: %s", describe(tasks(t, "clock")))
		}
		return nil
	})
	shown := orc(t, "service", "ps", "--no-trunc", "clock")
	require.Regexp(t, `(?s)clock\.1.*clock\.1`, shown, "service ps shows the replacement and the removed one")
}

func TestAKilledProcessIsStartedAgain(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--network", "none", "clock:1.0")
	task := waitRunning(t, "clock", 1)[0]
	require.NoError(t, syscall.Kill(container(task).Pid, syscall.SIGKILL))
	eventually(t, "the process runs again", func() error {
		now := running(t, "clock")
		if len(now) != 1 || container(now[0]).Container == container(task).Container {
			return fmt.Errorf("it does not: %s", describe(tasks(t, "clock")))
		}
		return nil
	})
	again := running(t, "clock")[0]
	require.Equal(t, task.ID, again.ID, "the node does it: the task is the same")
	first := again.Status.Attempts[len(again.Status.Attempts)-2]
	require.Equal(t, 137, first.ExitCode, "128 + SIGKILL")
}

func TestAKilledAgentRestartsNoContainerAndLosesNoLine(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--mode", "global", "--network", "none", "clock:1.0")
	before, up := waitRunning(t, "clock", 3), upSince(t)
	for _, task := range before {
		if n := node(t, task); !n.Manager() {
			require.NoError(t, n.KillProcess(t.Context()))
			require.NoError(t, n.Start(t.Context()))
		}
	}
	require.NoError(t, shared.WaitNodes(t.Context()))
	after := waitRunning(t, "clock", 3)
	pids := func(tasks []api.TaskView) map[string]int {
		found := make(map[string]int)
		for _, task := range tasks {
			found[task.NodeName] = container(task).Pid
		}
		return found
	}
	require.Equal(t, pids(before), pids(after), "every process goes on")
	require.Equal(t, up, upSince(t), "no node was taken for lost")
	for _, task := range after {
		requireNoGap(t, task)
	}
}

// upSince is since when nodes are up, by name.
func upSince(t *testing.T) map[string]time.Time {
	t.Helper()
	nodes, err := connect(t).Nodes(t.Context())
	require.NoError(t, err)
	found := make(map[string]time.Time)
	for _, each := range nodes {
		found[each.Name] = each.Status.Since
	}
	return found
}

func TestAManagerRestartRestartsNoContainer(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--mode", "global", "--network", "none", "clock:1.0")
	waitRunning(t, "clock", 3)
	before := containers(t, "clock")
	first := shared.Nodes()[0]
	for _, end := range []func() error{
		func() error { return first.Stop(t.Context()) },
		func() error { return first.KillProcess(t.Context()) },
	} {
		require.NoError(t, end())
		require.NoError(t, first.Start(t.Context()))
		require.NoError(t, first.WaitReady(t.Context()))
		require.NoError(t, shared.WaitNodes(t.Context()))
		waitRunning(t, "clock", 3)
		require.Equal(t, before, containers(t, "clock"))
	}
}

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnUpdateRollsAndARollbackGoesBack(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--replicas", "4", "--network", "none",
		"--update-parallelism", "2", "--update-monitor", "1s", "--rollback-monitor", "1s", "--rollback-parallelism", "0", "clock:1.0")
	waitRunning(t, "clock", 4)
	orc(t, "service", "update", "--image", "clock:2.0", "clock")
	for _, task := range waitRunning(t, "clock", 4) {
		require.Equal(t, 2, task.Revision)
	}
	orc(t, "service", "rollback", "clock")
	for _, task := range waitRunning(t, "clock", 4) {
		require.Equal(t, 1, task.Revision)
	}
}

func TestAFailingUpdatePausesAndSaysHowToGoOn(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--replicas", "3", "--network", "none",
		"--update-monitor", "2s", "--restart-max-attempts", "1", "--restart-delay", "100ms", "clock:1.0")
	waitRunning(t, "clock", 3)
	message := refused(t, "service", "update", "--image", "crasher:1.0", "clock")
	require.Contains(t, message, "paused")
	require.GreaterOrEqual(t, len(running(t, "clock")), 2, "the rest goes on")
	orc(t, "service", "rollback", "clock")
	waitRunning(t, "clock", 3)
}

func TestADrainedNodeIsLeftAndComesBack(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--replicas", "3", "--network", "none", "clock:1.0")
	waitRunning(t, "clock", 3)
	orc(t, "node", "update", "--availability", "drain", "n2")
	t.Cleanup(func() { orc(t, "node", "update", "--availability", "active", "n2") })
	elsewhere(t, "clock", 3, "n2")
	waitRunning(t, "clock", 3)
}

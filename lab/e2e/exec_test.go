package e2e

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExecOnAnyNodePassesInputOutputAndExitCode(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "tool", "--mode", "global", "--network", "none", "toolbox:1.0")
	for _, task := range waitRunning(t, "tool", 3) {
		out := orc(t, "exec", task.Name, "/toolbox", "echo", "hello", "there")
		require.Equal(t, "hello there\n", out)

		first := shared.Nodes()[0]
		cmd := first.Command(t.Context(), binary(), "exec", "-i", task.Name, "/toolbox", "cat")
		var copied strings.Builder
		cmd.Stdin, cmd.Stdout = strings.NewReader("through the pipe\n"), &copied
		require.NoError(t, first.Exec(cmd))
		require.Equal(t, "through the pipe\n", copied.String())

		_, err := tryOrc(t, "exec", task.Name, "/toolbox", "exit", "7")
		var ended *exec.ExitError
		require.True(t, errors.As(err, &ended), "%v", err)
		require.Equal(t, 7, ended.ExitCode())
	}
}

func TestStatsAndEventsTellOfRunningContainers(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--network", "none", "clock:1.0")
	waitRunning(t, "clock", 1)
	require.Contains(t, orc(t, "stats", "--no-stream"), "clock.1")
	require.Contains(t, orc(t, "events", "--since", "10m", "--until", "0s"), "clock")
}

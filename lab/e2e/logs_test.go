package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// The clock numbers its lines: "clock 1.0: 17: <time>".
var tick = regexp.MustCompile(`^clock \S+: (\d+): `)

// requireNoGap reads a task's whole log and checks that no line is missing or
// doubled.
func requireNoGap(t *testing.T, task api.TaskView) {
	t.Helper()
	var out string
	// A node whose agent was killed counts as there for some seconds: it is asked
	// again until it is connected.
	eventually(t, task.Name+" tells what it has logged", func() (err error) {
		if out, err = tryOrc(t, "service", "logs", "--raw", task.ID); err == nil && out == "" {
			err = errors.New("nothing yet")
		}
		return err
	})
	last := 0
	for line := range strings.Lines(out) {
		found := tick.FindStringSubmatch(line)
		require.NotNil(t, found, "a line of the clock: %q", line)
		n, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		if last != 0 {
			require.Equal(t, last+1, n, "after tick %d of %s:\n%s", last, task.Name, out)
		}
		last = n
	}
	require.NotZero(t, last, "%s has logged", task.Name)
}

func TestLogsAreFollowedOverAllNodesAndCutToTheTail(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--mode", "global", "--network", "none", "clock:1.0")
	waitRunning(t, "clock", 3)

	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	first := shared.Nodes()[0]
	cmd := first.Command(ctx, binary(), "service", "logs", "-f", "clock")
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- first.Dial(cmd.Start) }()
	require.NoError(t, <-done)
	seen := make(map[string]int)
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		for _, node := range shared.Nodes() {
			if strings.Contains(lines.Text(), "clock."+node.Name()) {
				seen[node.Name()]++
			}
		}
		if len(seen) == 3 && min(seen["n1"], seen["n2"], seen["n3"]) >= 2 {
			break
		}
	}
	cancel()
	cmd.Wait() // ended by the cancel above
	require.Len(t, seen, 3, "lines of every node's replica, while they come")

	eventually(t, "two lines of each replica", func() error {
		if n := strings.Count(orc(t, "service", "logs", "--tail", "2", "clock"), "\n"); n != 6 {
			return fmt.Errorf("%d lines", n)
		}
		return nil
	})
	require.Empty(t, orc(t, "service", "logs", "--since", "2100-01-01T00:00:00Z", "clock"))
}

package containerd

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/sleep"
)

func TestLimits(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	spec := n.spec(t)
	spec.Resources.Limits = api.ResourceSet{NanoCPUs: 5e8, Memory: 64 << 20, Pids: 77}
	require.NoError(t, n.Create(t.Context(), spec))
	require.NoError(t, n.Start(t.Context(), spec.ID))
	stats, err := n.Stats(t.Context(), spec.ID)
	require.NoError(t, err)
	require.EqualValues(t, 64<<20, stats.MemoryLimit)
	require.Positive(t, stats.Memory)
	require.Positive(t, stats.CPU)
	require.Positive(t, stats.Pids)
	group := cgroup{n.host.unified, spec.ID}
	if n.host.unified {
		require.EqualValues(t, 77, number(group.file("", "pids.max")))
	} else {
		require.EqualValues(t, 77, number(group.file("pids", "pids.max")))
		require.EqualValues(t, 50_000, number(group.file("cpu", "cpu.cfs_quota_us")))
	}
}

func TestOutOfMemory(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	events, err := n.Events(t.Context())
	require.NoError(t, err)
	spec := n.spec(t, "eat")
	spec.Resources.Limits.Memory = 32 << 20
	require.NoError(t, n.Create(t.Context(), spec))
	require.NoError(t, n.Start(t.Context(), spec.ID))
	limit := time.After(time.Minute)
	for ended := false; !ended; {
		select {
		case event := <-events:
			if event.ID == spec.ID && event.Exited {
				require.Equal(t, 137, event.ExitCode)
				require.True(t, event.OOM)
				ended = true
			}
		case <-limit:
			t.Fatal("it was not killed")
		}
	}
	c, err := n.Inspect(t.Context(), spec.ID)
	require.NoError(t, err)
	require.Equal(t, runtime.Exited, c.State)
	require.True(t, c.OOM)
}

func TestInitReapsAndPassesSignalsOn(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	on := true
	spec := n.spec(t, "orphan")
	spec.Container.Init = &on
	require.NoError(t, n.Create(t.Context(), spec))
	require.NoError(t, n.Start(t.Context(), spec.ID))
	// The orphan has ended: only init and the program are left, no zombie.
	until(t, "two processes", func(ctx context.Context) bool {
		out := &strings.Builder{}
		_, err := n.Exec(ctx, spec.ID, runtime.Exec{Args: []string{"/app", "ls", "/proc"}, Stdout: out})
		require.NoError(t, err)
		processes := 0
		for _, name := range strings.Fields(out.String()) {
			if name[0] >= '0' && name[0] <= '9' {
				processes++
			}
		}
		return processes == 3 // and the one that asks
	})
	require.NoError(t, n.Signal(t.Context(), spec.ID, "TERM"))
	until(t, "the end", func(ctx context.Context) bool {
		c, err := n.Inspect(ctx, spec.ID)
		require.NoError(t, err)
		return c.State == runtime.Exited && c.ExitCode == 0
	})
}

// until polls until a condition holds.
func until(t *testing.T, what string, condition func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !condition(ctx) {
		if err := sleep.For(ctx, 10*time.Millisecond); err != nil {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

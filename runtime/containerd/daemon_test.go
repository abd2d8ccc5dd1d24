package containerd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/bundle"
)

// started runs a container that waits.
func (n *node) started(t *testing.T) runtime.Spec {
	t.Helper()
	spec := n.spec(t)
	require.NoError(t, n.Create(t.Context(), spec))
	require.NoError(t, n.Start(t.Context(), spec.ID))
	return spec
}

// pidOf is a running container's process.
func (n *node) pidOf(t *testing.T, id string) int {
	t.Helper()
	c, err := n.Inspect(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, runtime.Running, c.State)
	return c.Pid
}

func TestDaemonIsAdopted(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	spec := n.started(t)
	before, pid := n.pidOf(t, spec.ID), n.daemon.Pid()
	again, err := StartDaemon(t.Context(), n.dataDir, needReal(t), zaptest.NewLogger(t, zaptest.Level(zapWarn)))
	require.NoError(t, err)
	require.Equal(t, pid, again.Pid())
	require.Equal(t, before, n.pidOf(t, spec.ID))
}

func TestDaemonIsStartedAgainWhenItDies(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	spec := n.started(t)
	process := n.pidOf(t, spec.ID)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.daemon.Run(ctx) }()
	events, err := n.Events(t.Context())
	require.NoError(t, err)
	for range 2 {
		before := n.daemon.Pid()
		require.NoError(t, kill(before))
		until(t, "another daemon", func(ctx context.Context) bool {
			c, err := n.Inspect(ctx, spec.ID)
			return n.daemon.Pid() != before && err == nil && c.Pid == process
		})
	}
	until(t, "the end of the events", func(context.Context) bool {
		select {
		case _, more := <-events:
			return !more
		default:
			return false
		}
	})
	cancel()
	require.NoError(t, <-ended)
	require.True(t, n.daemon.process.alive(), "the end of Run leaves it running")
}

func TestDaemonOfAnotherVersionIsReplaced(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	spec, short := n.started(t), n.spec(t, "exit", "6")
	process := n.pidOf(t, spec.ID)
	require.NoError(t, n.Create(t.Context(), short))
	require.NoError(t, n.Start(t.Context(), short.ID))
	until(t, "its end", func(ctx context.Context) bool {
		c, err := n.Inspect(ctx, short.ID)
		return err == nil && c.State == runtime.Exited
	})
	// The same programs under another name, as if this were the next version.
	other := *needReal(t)
	other.Digest = "0123456789abcdef"
	old := n.daemon.Programs()
	replaced, err := StartDaemon(t.Context(), n.dataDir, &other, zaptest.NewLogger(t, zaptest.Level(zapWarn)))
	require.NoError(t, err)
	require.NotEqual(t, n.daemon.Pid(), replaced.Pid())
	n.daemon = replaced
	require.Equal(t, process, n.pidOf(t, spec.ID))
	c, err := n.Inspect(t.Context(), short.ID)
	require.NoError(t, err)
	require.Equal(t, 6, c.ExitCode)
	require.DirExists(t, old, "a shim of it runs")
	code, err := n.Exec(t.Context(), spec.ID, runtime.Exec{Args: []string{"/app", "exit", "3"}})
	require.NoError(t, err)
	require.Equal(t, 3, code)
	require.NoError(t, n.Remove(t.Context(), spec.ID))
	until(t, "the old version's end", func(ctx context.Context) bool {
		require.NoError(t, other.Prune(n.layout.programs()))
		return !exists(old)
	})
}

func TestHungDaemonIsReplaced(t *testing.T) {
	n := open(t)
	before := n.daemon.Pid()
	require.NoError(t, syscall.Kill(before, syscall.SIGSTOP))
	other, err := newDaemon(n.dataDir, needReal(t), zaptest.NewLogger(t, zaptest.Level(zapWarn)))
	require.NoError(t, err)
	other.patience = time.Second
	require.NoError(t, other.open(t.Context()))
	n.daemon = other
	require.NotEqual(t, before, n.daemon.Pid())
}

func TestDeadShimEndsItsContainer(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	spec := n.started(t)
	process := n.pidOf(t, spec.ID)
	events, err := n.Events(t.Context())
	require.NoError(t, err)
	require.NoError(t, kill(n.shim(t, spec.ID)))
	limit := time.After(time.Minute)
	for ended := false; !ended; {
		select {
		case event := <-events:
			ended = event.ID == spec.ID && event.Exited
		case <-limit:
			t.Fatal("nobody told")
		}
	}
	c, err := n.Inspect(t.Context(), spec.ID)
	require.NoError(t, err)
	require.Equal(t, runtime.Exited, c.State)
	require.NotZero(t, c.ExitCode)
	require.NoError(t, n.Remove(t.Context(), spec.ID))
	until(t, "the process's end", func(context.Context) bool {
		return errors.Is(syscall.Kill(process, 0), syscall.ESRCH)
	})
	require.Empty(t, cgroupLeft(spec.ID))
	require.NoError(t, os.RemoveAll(filepath.Join(n.layout.run, "s"))) // containerd leaves a killed shim's socket
}

// shim is a container's shim.
func (n *node) shim(t *testing.T, id string) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range all {
		command, _ := os.ReadFile(path)
		if strings.Contains(string(command), bundle.Shim) && strings.Contains(string(command), id) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			require.NoError(t, err)
			return pid
		}
	}
	t.Fatal("no shim")
	return 0
}

func TestHostsRestart(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	ran, never := n.started(t), n.spec(t)
	require.NoError(t, n.Create(t.Context(), never))
	require.NoError(t, n.Signal(t.Context(), ran.ID, "KILL"))
	until(t, "its end", func(ctx context.Context) bool {
		c, err := n.Inspect(ctx, ran.ID)
		return err == nil && c.State == runtime.Exited
	})
	lost := n.started(t)
	// What a restart of the host leaves: no task, and another boot ID.
	ctx, cancel := detach(t.Context())
	defer cancel()
	require.NoError(t, n.endTask(ctx, lost.ID, false))
	require.NoError(t, n.endTask(ctx, never.ID, false))
	n.boot = "another"
	list, err := n.List(t.Context())
	require.NoError(t, err)
	codes := map[string]int{}
	for _, c := range list {
		require.Equal(t, runtime.Exited, c.State)
		codes[c.ID] = c.ExitCode
	}
	require.Equal(t, map[string]int{ran.ID: 137, never.ID: -1, lost.ID: -1}, codes)
	err = n.Start(t.Context(), never.ID)
	require.Error(t, err)
	require.NotErrorIs(t, err, runtime.ErrRejected, "another one would start")
}

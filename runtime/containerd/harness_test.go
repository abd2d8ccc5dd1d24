package containerd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/orc-project/orc/runtime/bundle"
)

// needReal skips a test that needs root and a bundle, loudly.
func needReal(t testing.TB) *bundle.Bundle {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, NOTHING OF IT WAS TESTED: real containers need root")
	}
	b, err := bundle.Contents()
	if err != nil {
		t.Skip("SKIPPED, NOTHING OF IT WAS TESTED: real containers need the bundle: make bundle, and go test -tags bundle")
	}
	return b
}

// node is a daemon and a runtime on it, in a directory of the test's own.
type node struct {
	*Runtime
	t       testing.TB
	dataDir string
	daemon  *Daemon
}

// open starts a daemon and opens a runtime; all of it is gone after the test.
func open(t testing.TB) *node {
	t.Helper()
	n := &node{t: t, dataDir: t.TempDir()}
	b := needReal(t)
	log := zaptest.NewLogger(t, zaptest.Level(zapWarn))
	daemon, err := StartDaemon(context.Background(), n.dataDir, b, log)
	require.NoError(t, err)
	n.daemon = daemon
	n.Runtime, err = New(Config{Address: daemon.Address(), DataDir: n.dataDir, Init: filepath.Join(daemon.Programs(), bundle.Init)}, log)
	require.NoError(t, err)
	t.Cleanup(n.close)
	return n
}

// close removes everything, also after a failure, and makes sure that nothing is
// left.
func (n *node) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	list, err := n.List(ctx)
	require.NoError(n.t, err)
	for _, c := range list {
		require.NoError(n.t, n.Remove(ctx, c.ID))
	}
	n.nothingLeft(ctx)
	require.NoError(n.t, n.Runtime.Close())
	require.NoError(n.t, n.daemon.Stop(ctx))
	require.NoError(n.t, os.RemoveAll(RunDir(n.dataDir)))
}

// nothingLeft demands that no container left a mount, snapshot, cgroup or file.
func (n *node) nothingLeft(ctx context.Context) {
	n.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(n.t, err)
	for _, line := range strings.Split(string(mounts), "\n") {
		require.False(n.t, strings.Contains(line, n.dataDir) || strings.Contains(line, RunDir(n.dataDir)), "mount left: %s", line)
	}
	var keys []string
	snapshotter, err := n.snapshotter(ctx)
	require.NoError(n.t, err)
	require.NoError(n.t, snapshotter.Walk(ctx, active(&keys)))
	require.Empty(n.t, keys, "snapshots left")
	for _, dir := range []string{filepath.Join(RunDir(n.dataDir), "c"), filepath.Join(n.dataDir, "containers"), filepath.Join(RunDir(n.dataDir), "runc", namespace), filepath.Join(RunDir(n.dataDir), "exec"), filepath.Join(RunDir(n.dataDir), "s")} {
		entries, err := os.ReadDir(dir)
		if err == nil {
			require.Empty(n.t, entries, "left in %s", dir)
		}
	}
}

// restart kills the daemon as a crash would and starts another.
func (n *node) restart(t *testing.T) {
	t.Helper()
	before := n.daemon.Pid()
	require.NoError(t, kill(before))
	require.NoError(t, n.daemon.process.wait(t.Context()))
	daemon, err := StartDaemon(t.Context(), n.dataDir, needReal(t), zaptest.NewLogger(t, zaptest.Level(zapWarn)))
	require.NoError(t, err)
	require.NotEqual(t, before, daemon.Pid())
	n.daemon = daemon
}

func cgroupLeft(id string) []string {
	found, err := filepath.Glob(filepath.Join(cgroupRoot, "*", namespace, id))
	if err != nil {
		return []string{fmt.Sprint(err)}
	}
	return found
}

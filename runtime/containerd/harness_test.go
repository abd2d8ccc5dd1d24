package containerd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/bundle"
	"github.com/orc-project/orc/runtime/runtimetest"
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
	id      string // begins the IDs of the test's containers
	serial  atomic.Int64
	digest  string // of the suite's image, once loaded
}

// open starts a daemon and opens a runtime; all of it is gone after the test.
func open(t testing.TB) *node {
	t.Helper()
	return openAt(t, t.TempDir())
}

func openAt(t testing.TB, dataDir string) *node {
	t.Helper()
	require.NoError(t, os.MkdirAll(dataDir, 0o700))
	n := &node{t: t, dataDir: dataDir, id: "t" + randomName()}
	b := needReal(t)
	log := zaptest.NewLogger(t, zaptest.Level(zapWarn))
	daemon, err := StartDaemon(context.Background(), n.dataDir, b, log)
	require.NoError(t, err)
	n.daemon = daemon
	n.Runtime, err = New(Config{Address: daemon.Address(), DataDir: n.dataDir, Init: daemon.Init()}, log)
	require.NoError(t, err)
	t.Cleanup(n.close)
	return n
}

// close removes everything, also after a failure, and makes sure that nothing is
// left.
func (n *node) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	defer n.raze()
	list, err := n.List(ctx)
	require.NoError(n.t, err)
	for _, c := range list {
		require.NoError(n.t, n.Remove(ctx, c.ID))
	}
	n.nothingLeft(ctx)
	for _, c := range list {
		require.Empty(n.t, cgroupLeft(c.ID), "cgroups left")
	}
	require.NoError(n.t, n.Runtime.Close())
	require.NoError(n.t, n.daemon.Stop(ctx))
}

// raze kills and unmounts by force what a failed test left.
func (n *node) raze() {
	processes, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(n.t, err)
	for _, process := range processes {
		// Daemon and shims by their program, containers by their root directory.
		program, _ := os.Readlink(filepath.Join(process, "exe"))
		cgroups, _ := os.ReadFile(filepath.Join(process, "cgroup"))
		if strings.HasPrefix(program, n.dataDir) || n.id != "" && strings.Contains(string(cgroups), "/"+namespace+"/"+n.id) {
			var pid int
			fmt.Sscan(filepath.Base(process), &pid)
			kill(pid)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(n.t, err)
	for _, line := range strings.Split(string(mounts), "\n") {
		if fields := strings.Fields(line); len(fields) > 4 && (strings.HasPrefix(fields[4], n.dataDir) || strings.HasPrefix(fields[4], RunDir(n.dataDir))) {
			unix.Unmount(fields[4], unix.MNT_DETACH)
		}
	}
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

// load loads the suite's image, changed, under its name.
func (n *node) load(t testing.TB, entries []runtimetest.Entry, change func(*v1.Config)) {
	t.Helper()
	entries = append([]runtimetest.Entry{{Path: runtimetest.Program, Data: runtimetest.BuildProgram(t), Mode: 0o755}}, entries...)
	image := runtimetest.Image(t, entries, change)
	loaded, err := n.LoadImage(context.Background(), bytes.NewReader(runtimetest.Archive(t, image, runtimetest.ImageName)))
	require.NoError(t, err)
	n.digest = loaded[0].Digest
}

// spec makes a container's spec of the loaded image.
func (n *node) spec(t testing.TB, args ...string) runtime.Spec {
	dir := t.TempDir()
	return runtime.Spec{
		ID:        fmt.Sprintf("%s-%d", n.id, n.serial.Add(1)),
		Image:     runtime.ImageRef{Name: runtimetest.ImageName, Digest: n.digest},
		Container: api.ContainerSpec{Image: runtimetest.ImageName, Args: args},
		Network:   runtime.Network{Mode: "none"},
		Output:    runtime.Output{Stdout: filepath.Join(dir, "out"), Stderr: filepath.Join(dir, "err")},
	}
}

// run runs a container to its end and returns what it wrote.
func (n *node) run(t testing.TB, spec runtime.Spec) (output string, c runtime.Container) {
	t.Helper()
	require.NoError(t, n.Create(context.Background(), spec))
	var all [2]strings.Builder
	var readers sync.WaitGroup
	for i, path := range []string{spec.Output.Stdout, spec.Output.Stderr} {
		if i == 1 && spec.Container.TTY {
			continue
		}
		readers.Go(func() {
			file, err := os.Open(path) // waits for the shim
			if err != nil {
				t.Error(err)
				return
			}
			defer file.Close()
			io.Copy(&all[i], file)
		})
	}
	err := n.Start(context.Background(), spec.ID)
	if err != nil { // wakes the readers
		release, held := holdFIFOs(spec.Output)
		require.NoError(t, held)
		release()
		readers.Wait()
		require.NoError(t, err)
	}
	readers.Wait() // the shim closes them at the end
	for deadline := time.Now().Add(time.Minute); ; {
		c, err = n.Inspect(context.Background(), spec.ID)
		require.NoError(t, err)
		if c.State == runtime.Exited || time.Now().After(deadline) {
			break
		}
	}
	require.Equal(t, runtime.Exited, c.State)
	require.NoError(t, n.Remove(context.Background(), spec.ID))
	require.Empty(t, cgroupLeft(spec.ID), "cgroups left")
	return all[0].String() + all[1].String(), c
}

package runtimetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

var (
	run    = rand.Uint32() // so that two runs at once do not meet
	serial atomic.Int64
)

// spec makes a container's spec with an ID of its own and FIFOs for its output.
func (s *suite) spec(t *testing.T, args ...string) runtime.Spec {
	t.Helper()
	id := fmt.Sprintf("suite-%x-%d", run, serial.Add(1))
	dir := t.TempDir()
	return runtime.Spec{
		ID:        id,
		Task:      runtime.TaskRef{Task: "task-" + id, Service: "service-1", Name: "web.1", Revision: 3, Attempt: 2},
		Image:     runtime.ImageRef{Name: ImageName, Digest: s.digest},
		Container: api.ContainerSpec{Image: ImageName, Args: args},
		Network:   runtime.Network{Mode: "none", Hostname: "box"},
		Output:    runtime.Output{Stdout: filepath.Join(dir, "out"), Stderr: filepath.Join(dir, "err")},
	}
}

// create creates a container that is removed when the test ends.
func (s *suite) create(t *testing.T, spec runtime.Spec) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		require.NoError(t, s.Runtime.Remove(ctx, spec.ID))
	})
	require.NoError(t, s.Runtime.Create(t.Context(), spec))
}

// start creates and starts a container and returns its output.
func (s *suite) start(t *testing.T, spec runtime.Spec) (stdout, stderr *tail) {
	t.Helper()
	s.create(t, spec)
	stdout, stderr = follow(t, spec.Output.Stdout), follow(t, spec.Output.Stderr)
	require.NoError(t, s.Runtime.Start(t.Context(), spec.ID))
	return stdout, stderr
}

// ended waits for a container's end.
func (s *suite) ended(t *testing.T, id string) runtime.Container {
	t.Helper()
	var c runtime.Container
	eventually(t, "end of "+id, func(ctx context.Context) bool {
		var err error
		c, err = s.Runtime.Inspect(ctx, id)
		require.NoError(t, err)
		return c.State == runtime.Exited
	})
	return c
}

// tail reads a FIFO that the runtime made.
type tail struct {
	t    *testing.T
	file *os.File
	seen strings.Builder
}

// follow opens a FIFO for both directions, so that it never seems to end.
func follow(t *testing.T, path string) *tail {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return &tail{t: t, file: file}
}

// until reads until the text was seen, and returns everything seen.
func (r *tail) until(text string) string {
	r.t.Helper()
	require.NoError(r.t, r.file.SetReadDeadline(time.Now().Add(patience)))
	buffer := make([]byte, 4096)
	for !strings.Contains(r.seen.String(), text) {
		n, err := r.file.Read(buffer)
		require.NoError(r.t, err, "waiting for %q after %q", text, r.seen.String())
		r.seen.Write(buffer[:n])
	}
	return r.seen.String()
}

func reader(data []byte) io.Reader { return bytes.NewReader(data) }

func (s *suite) testLife(t *testing.T) {
	events, err := s.Runtime.Events(t.Context())
	require.NoError(t, err)
	spec := s.spec(t)
	before := time.Now().Add(-time.Second)
	s.create(t, spec)
	stdout := follow(t, spec.Output.Stdout)

	c, err := s.Runtime.Inspect(t.Context(), spec.ID)
	require.NoError(t, err)
	require.Equal(t, runtime.Created, c.State)
	require.Equal(t, spec.Task, c.Task)
	require.Equal(t, spec.Output, c.Output)
	require.Equal(t, "SIGTERM", c.StopSignal)
	require.True(t, c.Created.After(before))

	require.NoError(t, s.Runtime.Start(t.Context(), spec.ID))
	stdout.until("ready")
	c, err = s.Runtime.Inspect(t.Context(), spec.ID)
	require.NoError(t, err)
	require.Equal(t, runtime.Running, c.State)
	require.Positive(t, c.Pid)
	require.True(t, c.Started.After(before))

	require.NoError(t, s.Runtime.Signal(t.Context(), spec.ID, "TERM"))
	stdout.until("bye")
	event := nextExit(t, events, spec.ID)
	require.Zero(t, event.ExitCode)
	c = s.ended(t, spec.ID)
	require.Zero(t, c.ExitCode)
	require.Zero(t, c.Pid)
	require.False(t, c.Finished.Before(c.Started))
	require.ErrorIs(t, s.Runtime.Signal(t.Context(), spec.ID, "TERM"), runtime.ErrNotRunning)

	require.NoError(t, s.Runtime.Remove(t.Context(), spec.ID))
	_, err = s.Runtime.Inspect(t.Context(), spec.ID)
	require.ErrorIs(t, err, runtime.ErrNotFound)
	require.NoError(t, s.Runtime.Remove(t.Context(), spec.ID), "removing what is gone is no error")
}

// nextExit waits for the exit event of one container.
func nextExit(t *testing.T, events <-chan runtime.Event, id string) runtime.Event {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case event, open := <-events:
			require.True(t, open, "events ended")
			if event.ID == id && event.Exited {
				return event
			}
		case <-timeout:
			t.Fatalf("no exit event of %s", id)
		}
	}
}

func (s *suite) testExitCodes(t *testing.T) {
	spec := s.spec(t, "exit", "7")
	s.start(t, spec)
	require.Equal(t, 7, s.ended(t, spec.ID).ExitCode)

	spec = s.spec(t, "deaf")
	stdout, _ := s.start(t, spec)
	stdout.until("ready")
	require.NoError(t, s.Runtime.Signal(t.Context(), spec.ID, "SIGTERM"))
	require.NoError(t, s.Runtime.Signal(t.Context(), spec.ID, "9"))
	require.Equal(t, 137, s.ended(t, spec.ID).ExitCode)
}

func (s *suite) testMerge(t *testing.T) {
	spec := s.spec(t, "env")
	spec.Container.Env = []string{"MORE=mine"}
	stdout, _ := s.start(t, spec)
	seen := stdout.until("MORE=mine")
	require.Contains(t, seen, "FROM=image")

	spec = s.spec(t, "to out", "to err")
	spec.Container.Entrypoint = []string{Program, "say"}
	stdout, stderr := s.start(t, spec)
	require.Equal(t, "to out\n", stdout.until("\n"))
	require.Equal(t, "to err\n", stderr.until("\n"))
}

func (s *suite) testErrors(t *testing.T) {
	ctx := t.Context()
	_, err := s.Runtime.Inspect(ctx, "nobody")
	require.ErrorIs(t, err, runtime.ErrNotFound)
	require.ErrorIs(t, s.Runtime.Start(ctx, "nobody"), runtime.ErrNotFound)
	require.ErrorIs(t, s.Runtime.Signal(ctx, "nobody", "TERM"), runtime.ErrNotFound)
	_, err = s.Runtime.Stats(ctx, "nobody")
	require.ErrorIs(t, err, runtime.ErrNotFound)

	spec := s.spec(t)
	s.create(t, spec)
	require.ErrorIs(t, s.Runtime.Create(ctx, spec), runtime.ErrExists)
	require.ErrorIs(t, s.Runtime.Signal(ctx, spec.ID, "TERM"), runtime.ErrNotRunning)

	missing := s.spec(t)
	missing.Image = runtime.ImageRef{Name: "orc.test/missing:1"}
	err = s.Runtime.Create(ctx, missing)
	require.ErrorIs(t, err, runtime.ErrImageMissing)
	require.ErrorContains(t, err, "orc.test/missing:1")

	bad := s.spec(t)
	bad.Container.Entrypoint = []string{"/no/such"}
	if err = s.Runtime.Create(ctx, bad); err == nil {
		err = s.Runtime.Start(ctx, bad.ID)
	}
	require.NoError(t, s.Runtime.Remove(ctx, bad.ID))
	require.ErrorIs(t, err, runtime.ErrRejected)
	require.ErrorContains(t, err, "/no/such")
	require.NotContains(t, err.Error(), "\n", "one line")
}

func (s *suite) testRemoveRunning(t *testing.T) {
	spec := s.spec(t, "deaf")
	stdout, _ := s.start(t, spec)
	stdout.until("ready")
	require.NoError(t, s.Runtime.Remove(t.Context(), spec.ID))
	_, err := s.Runtime.Inspect(t.Context(), spec.ID)
	require.ErrorIs(t, err, runtime.ErrNotFound)
}

func (s *suite) testList(t *testing.T) {
	b, a := s.spec(t), s.spec(t)
	a.ID, b.ID = a.ID+"-a", a.ID+"-b"
	s.create(t, b)
	s.create(t, a)
	list, err := s.Runtime.List(t.Context())
	require.NoError(t, err)
	var found []string
	for _, c := range list {
		if c.ID == a.ID || c.ID == b.ID {
			found = append(found, c.ID)
			require.Equal(t, b.Task.Service, c.Task.Service)
			require.Equal(t, b.Image, c.Image)
		}
	}
	require.Equal(t, []string{a.ID, b.ID}, found)
}

func (s *suite) testOutput(t *testing.T) {
	spec := s.spec(t)
	stdout, _ := s.start(t, spec)
	stdout.until("ready")
	require.NoError(t, stdout.file.Close())
	require.NoError(t, s.Runtime.Signal(t.Context(), spec.ID, "USR1")) // writes to nobody
	again := follow(t, spec.Output.Stdout)
	again.until("got user defined signal 1")
	require.NoError(t, s.Runtime.Signal(t.Context(), spec.ID, "TERM"))
	again.until("bye")
	require.Zero(t, s.ended(t, spec.ID).ExitCode)
}

func (s *suite) testEventsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	events, err := s.Runtime.Events(ctx)
	require.NoError(t, err)
	cancel()
	eventually(t, "end of events", func(context.Context) bool {
		select {
		case _, open := <-events:
			return !open
		default:
			return false
		}
	})
}

func (s *suite) testRestart(t *testing.T) {
	if s.Restart == nil {
		t.Skip("this runtime has nothing to restart")
	}
	running, ended := s.spec(t), s.spec(t, "exit", "5")
	stdout, _ := s.start(t, running)
	stdout.until("ready")
	s.start(t, ended)
	s.ended(t, ended.ID)
	s.Restart(t)
	var c runtime.Container
	eventually(t, "the runtime to answer again", func(ctx context.Context) bool {
		var err error
		c, err = s.Runtime.Inspect(ctx, running.ID)
		return err == nil
	})
	require.Equal(t, runtime.Running, c.State)
	require.Equal(t, 5, s.ended(t, ended.ID).ExitCode)
	events, err := s.Runtime.Events(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Runtime.Signal(t.Context(), running.ID, "TERM"))
	require.Zero(t, nextExit(t, events, running.ID).ExitCode)
	stdout.until("bye")
}

package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cap"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/runtime"
)

// drainQuiet is how long the output of an ended process may be silent before it is
// taken for ended: a child of it may hold it open for ever.
const drainQuiet = 2 * time.Second

// Exec implements runtime.Runtime. A reader given as Stdin is read until its end,
// at the latest until the caller closes it after Exec has returned.
func (r *Runtime) Exec(ctx context.Context, id string, exec runtime.Exec) (int, error) {
	if len(exec.Args) == 0 {
		return 0, fmt.Errorf("exec in %s: %w: no command given", id, runtime.ErrRejected)
	}
	c, err := r.Inspect(ctx, id)
	if err != nil {
		return 0, err
	}
	if c.State != runtime.Running {
		return 0, fmt.Errorf("container %s: %w", id, runtime.ErrNotRunning)
	}
	container, err := r.client.LoadContainer(ctx, id)
	if err != nil {
		return 0, explain("exec in "+id, err)
	}
	spec, err := container.Spec(ctx)
	if err != nil {
		return 0, explain("exec in "+id, err)
	}
	task, err := container.Task(ctx, nil)
	if errdefs.IsNotFound(err) {
		return 0, fmt.Errorf("container %s: %w", id, runtime.ErrNotRunning)
	}
	if err != nil {
		return 0, explain("exec in "+id, err)
	}
	process, err := execProcess(spec.Process, exec, c.Pid)
	if err != nil {
		return 0, fmt.Errorf("exec in %s: %w", id, err)
	}
	return r.runExec(ctx, id, task, process, exec)
}

// execProcess derives a process from the container's own.
func execProcess(of *specs.Process, exec runtime.Exec, pid int) (*specs.Process, error) {
	p := *of
	p.Args, p.Terminal = exec.Args, exec.TTY
	p.Env = mergeEnvironment(of.Env, exec)
	if exec.Dir != "" {
		p.Cwd = path.Join("/", exec.Dir)
	}
	if exec.User != "" {
		users, err := readUsers(filepath.Join("/proc", strconv.Itoa(pid), "root"))
		if err != nil {
			return nil, runtime.ErrNotRunning // it has just ended
		}
		if p.User, err = users.resolve(exec.User, nil); err != nil {
			return nil, err
		}
	}
	if p.Capabilities != nil {
		setCapabilities(&p, p.Capabilities.Bounding)
	}
	if exec.Privileged {
		caps, err := cap.Current()
		if err != nil {
			return nil, err
		}
		p.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}
		p.NoNewPrivileges = false
	}
	return &p, nil
}

func mergeEnvironment(container []string, exec runtime.Exec) []string {
	merged := slices.Clone(container)
	if exec.TTY && !slices.ContainsFunc(merged, func(v string) bool { return strings.HasPrefix(v, "TERM=") }) {
		merged = append(merged, "TERM=xterm")
	}
	for _, variable := range exec.Env {
		name, _, _ := strings.Cut(variable, "=")
		merged = slices.DeleteFunc(merged, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		merged = append(merged, variable)
	}
	return merged
}

// runExec runs the process to its end and passes its streams on.
func (r *Runtime) runExec(ctx context.Context, id string, task client.Task, spec *specs.Process, exec runtime.Exec) (int, error) {
	detached := context.WithoutCancel(ctx)
	streams := newStreams(exec)
	options := []cio.Opt{cio.WithStreams(streams.stdin, streams.stdout, streams.stderr), cio.WithFIFODir(r.layout.exec())}
	if exec.TTY {
		options = append(options, cio.WithTerminal)
		select {
		case size := <-exec.Resize: // known before the start: the process never sees a terminal without a size
			spec.ConsoleSize = &specs.Box{Width: uint(size.Width), Height: uint(size.Height)}
		default:
		}
	}
	name := "exec-" + randomName()
	process, err := task.Exec(detached, name, spec, cio.NewCreator(options...))
	if err != nil {
		return 0, explain("exec in "+id, err)
	}
	defer r.deleteExec(detached, process)
	exited, err := process.Wait(detached)
	if err != nil {
		return 0, explain("exec in "+id, err)
	}
	if err := process.Start(detached); err != nil {
		return failedStart("exec in "+id, err)
	}
	stop := streams.serve(detached, process, exec.Resize)
	defer stop()
	select {
	case status := <-exited:
		streams.drain(process.IO())
		if err := status.Error(); err != nil {
			return 0, explain("exec in "+id, err)
		}
		return int(status.ExitCode()), nil
	case <-ctx.Done():
		limited, cancel := context.WithTimeout(detached, patience)
		defer cancel()
		if err := process.Kill(limited, unix.SIGKILL); err == nil {
			select {
			case <-exited:
			case <-limited.Done():
			}
		}
		return 0, ctx.Err()
	}
}

// deleteExec removes what the shim keeps of a process.
func (r *Runtime) deleteExec(ctx context.Context, process client.Process) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if pipes := process.IO(); pipes != nil {
		pipes.Cancel()
		pipes.Close()
	}
	// What fails here goes when the container goes.
	process.Delete(ctx, client.WithProcessKill)
}

// streams are an exec's, watched.
type streams struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	ended          chan struct{} // closed when stdin has been read to its end
	writing        atomic.Int64  // writes that are under way
	written        atomic.Int64  // bytes
}

func newStreams(exec runtime.Exec) *streams {
	s := &streams{ended: make(chan struct{})}
	if exec.Stdin != nil {
		s.stdin = &endReader{exec.Stdin, s.ended}
	}
	if exec.Stdout == nil {
		exec.Stdout = io.Discard
	}
	s.stdout = &countingWriter{s, exec.Stdout}
	if !exec.TTY {
		if exec.Stderr == nil {
			exec.Stderr = io.Discard
		}
		s.stderr = &countingWriter{s, exec.Stderr}
	}
	return s
}

// serve passes on the end of stdin and the sizes of the terminal until stop.
func (s *streams) serve(ctx context.Context, process client.Process, sizes <-chan runtime.Size) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		ended := s.ended
		for {
			select {
			case <-ended:
				ended = nil
				process.CloseIO(ctx, client.WithStdinCloser) // or it has ended
			case size, open := <-sizes:
				if !open {
					sizes = nil
					continue
				}
				process.Resize(ctx, uint32(size.Width), uint32(size.Height)) // or it has ended
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-finished
	}
}

// drain waits until all output was passed on, however slow its reader is; but not
// for a child that holds it open and says nothing.
func (s *streams) drain(pipes cio.IO) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		pipes.Wait()
	}()
	quiet := time.NewTicker(drainQuiet)
	defer quiet.Stop()
	for last := int64(-1); ; {
		select {
		case <-done:
			return
		case <-quiet.C:
			now := s.written.Load()
			if s.writing.Load() == 0 && now == last {
				return
			}
			last = now
		}
	}
}

// endReader tells when its reader has ended.
type endReader struct {
	io.Reader
	ended chan struct{}
}

func (e *endReader) Read(data []byte) (int, error) {
	n, err := e.Reader.Read(data)
	if err != nil {
		select {
		case <-e.ended:
		default:
			close(e.ended)
		}
		if !errors.Is(err, io.EOF) {
			err = io.EOF // whoever typed is gone
		}
	}
	return n, err
}

type countingWriter struct {
	*streams
	to io.Writer
}

func (c *countingWriter) Write(data []byte) (int, error) {
	c.writing.Add(1)
	defer c.writing.Add(-1)
	n, err := c.to.Write(data)
	c.written.Add(int64(n))
	if err != nil {
		// Whoever read has gone: the process must not block for that.
		return len(data), nil
	}
	return n, nil
}

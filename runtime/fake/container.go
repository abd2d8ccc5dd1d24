package fake

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// container is one that exists. The runtime's lock guards it.
type container struct {
	runtime.Container
	spec    runtime.Spec
	args    []string
	env     []string
	process *process // while running with a program
	output  []*os.File
	timer   *time.Timer // ends it after its lifetime
}

// Create implements runtime.Runtime.
func (r *Runtime) Create(ctx context.Context, spec runtime.Spec) error {
	if err := r.enter(ctx, "Create"); err != nil {
		return err
	}
	defer r.mu.Unlock()
	script := r.script(spec.Image.Name)
	if err := r.pause(ctx, script.CreateDelay); err != nil {
		return err
	}
	if script.CreateError != nil {
		return script.CreateError
	}
	if r.containers[spec.ID] != nil {
		return fmt.Errorf("container %s: %w", spec.ID, runtime.ErrExists)
	}
	image, err := r.present(spec.Image)
	if err != nil {
		return err
	}
	c := &container{spec: spec, args: runtime.CommandLine(image.Config, spec.Container)}
	if len(c.args) == 0 && script.Commands != nil {
		return fmt.Errorf("image %s: %w: it names no command", spec.Image.Name, runtime.ErrRejected)
	}
	c.env = append(slices.Clone(image.Config.Env), spec.Container.Env...)
	if c.output, err = open(spec.Output, spec.Container.TTY); err != nil {
		return err
	}
	c.Container = runtime.Container{
		ID: spec.ID, Task: spec.Task, Image: spec.Image, Created: time.Now(), State: runtime.Created,
		TTY: spec.Container.TTY, Output: spec.Output,
		Health:     runtime.MergeHealth(image.Config.Health, spec.Container.Health),
		StopSignal: cmp.Or(spec.Container.StopSignal, image.Config.StopSignal, "SIGTERM"),
	}
	r.use(spec.Container.Mounts)
	r.containers[spec.ID] = c
	return nil
}

// Start implements runtime.Runtime.
func (r *Runtime) Start(ctx context.Context, id string) error {
	if err := r.enter(ctx, "Start"); err != nil {
		return err
	}
	defer r.mu.Unlock()
	c, err := r.find(id)
	if err != nil {
		return err
	}
	script := r.script(c.Image.Name)
	if err := r.pause(ctx, script.StartDelay); err != nil {
		return err
	}
	switch {
	case r.containers[id] != c:
		return fmt.Errorf("container %s: %w", id, runtime.ErrNotFound)
	case c.State != runtime.Created:
		return fmt.Errorf("container %s: %w: it was started before", id, runtime.ErrRejected)
	case script.StartError != nil:
		return script.StartError
	}
	if script.Commands != nil {
		program := script.Commands[c.args[0]]
		if program == nil {
			return fmt.Errorf("%w: %s: no such command in the image", runtime.ErrRejected, c.args[0])
		}
		r.run(c, program)
	} else if script.Lifetime > 0 {
		c.timer = time.AfterFunc(script.Lifetime, func() { r.Exit(id, script.ExitCode) })
	}
	c.State, c.Started, c.Pid = runtime.Running, time.Now(), 1000+r.calls["Start"]
	return nil
}

// Signal implements runtime.Runtime.
func (r *Runtime) Signal(ctx context.Context, id, signal string) error {
	if err := r.enter(ctx, "Signal"); err != nil {
		return err
	}
	defer r.mu.Unlock()
	c, err := r.find(id)
	if err != nil {
		return err
	}
	if c.State != runtime.Running {
		return fmt.Errorf("container %s: %w", id, runtime.ErrNotRunning)
	}
	number, err := signalNumber(signal)
	switch {
	case err != nil:
		return err
	case number == syscall.SIGKILL:
		r.end(c, 128+int(number), false)
	case c.process != nil:
		c.process.signal(number)
	case !r.script(c.Image.Name).IgnoreTerm:
		r.end(c, 128+int(number), false)
	}
	return nil
}

// Remove implements runtime.Runtime.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	if err := r.enter(ctx, "Remove"); err != nil {
		return err
	}
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return nil
	}
	if c.State == runtime.Running {
		r.end(c, 137, false)
	}
	c.release()
	delete(r.containers, id)
	return nil
}

// List implements runtime.Runtime.
func (r *Runtime) List(ctx context.Context) ([]runtime.Container, error) {
	if err := r.enter(ctx, "List"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	list := make([]runtime.Container, 0, len(r.containers))
	for _, id := range sorted(r.containers) {
		list = append(list, r.containers[id].Container)
	}
	return list, nil
}

// Inspect implements runtime.Runtime.
func (r *Runtime) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	if err := r.enter(ctx, "Inspect"); err != nil {
		return runtime.Container{}, err
	}
	defer r.mu.Unlock()
	c, err := r.find(id)
	if err != nil {
		return runtime.Container{}, err
	}
	return c.Container, nil
}

// ContainerSize implements runtime.Layers: a fake container writes nothing.
func (r *Runtime) ContainerSize(ctx context.Context, id string) (int64, error) {
	if err := r.enter(ctx, "ContainerSize"); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	_, err := r.find(id)
	return 0, err
}

// Stats implements runtime.Runtime.
func (r *Runtime) Stats(ctx context.Context, id string) (runtime.Stats, error) {
	if err := r.enter(ctx, "Stats"); err != nil {
		return runtime.Stats{}, err
	}
	defer r.mu.Unlock()
	c, err := r.find(id)
	if err != nil {
		return runtime.Stats{}, err
	}
	if c.State != runtime.Running {
		return runtime.Stats{}, fmt.Errorf("container %s: %w", id, runtime.ErrNotRunning)
	}
	stats := r.script(c.Image.Name).Stats
	stats.Time = time.Now()
	stats.Pids = max(stats.Pids, 1)
	stats.MemoryLimit = cmp.Or(stats.MemoryLimit, c.spec.Resources.Limits.Memory)
	return stats, nil
}

// Spec returns what a container was created from.
func (r *Runtime) Spec(id string) (runtime.Spec, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.containers[id]; c != nil {
		return c.spec, true
	}
	return runtime.Spec{}, false
}

func (r *Runtime) find(id string) (*container, error) {
	if c := r.containers[id]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("container %s: %w", id, runtime.ErrNotFound)
}

// finish marks it ended. The lock is held.
func (c *container) finish(code int, oom bool) {
	c.State, c.ExitCode, c.Finished, c.Pid, c.OOM = runtime.Exited, code, time.Now(), 0, oom
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.process != nil {
		c.process.kill()
	}
	for _, file := range c.output {
		file.Close() // nil too; the reader sees the end
	}
	c.output = nil
}

func (c *container) release() {
	for _, file := range c.output {
		file.Close()
	}
	for _, path := range []string{c.Output.Stdin, c.Output.Stdout, c.Output.Stderr} {
		if path != "" {
			os.Remove(path)
		}
	}
}

// open makes the FIFOs and holds both of their ends, as a shim does, so that a
// reader may come and go.
func open(output runtime.Output, tty bool) ([]*os.File, error) {
	var files []*os.File
	paths := []string{output.Stdout, output.Stderr}
	if tty {
		paths = paths[:1]
	}
	for _, path := range paths {
		if path == "" {
			files = append(files, nil)
			continue
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil && !os.IsExist(err) {
			return nil, fmt.Errorf("make fifo %s: %w", path, err)
		}
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// signalNumber reads "SIGTERM", "TERM" and "15".
func signalNumber(name string) (syscall.Signal, error) {
	known := map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "TERM": syscall.SIGTERM, "WINCH": syscall.SIGWINCH,
	}
	short := strings.TrimPrefix(strings.ToUpper(name), "SIG")
	for word, number := range known {
		if short == word || short == fmt.Sprint(int(number)) {
			return number, nil
		}
	}
	return 0, api.Invalidf("signal %q: no such signal", name)
}

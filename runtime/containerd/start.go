package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/errdefs"
	"github.com/moby/sys/signal"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// turn waits until a container may be made or started: more at once only get into
// each other's way, as each starts a shim and, in turn, four runcs.
func (r *Runtime) turn(ctx context.Context) (done func(), err error) {
	select {
	case r.turns <- struct{}{}:
		return func() { <-r.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Start implements runtime.Runtime. Who wants the output from its first byte opens
// the FIFOs before.
func (r *Runtime) Start(ctx context.Context, id string) error {
	done, err := r.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	defer r.locks.lock(id)()
	ctx, cancel := detach(ctx)
	defer cancel()
	if !r.started(id).IsZero() {
		return fmt.Errorf("start container %s: %w: it was started before", id, runtime.ErrRejected)
	}
	if err := r.markStarted(id); err != nil {
		return explain("start container "+id, err)
	}
	if _, err := r.client.TaskService().Start(ctx, &tasks.StartRequest{ContainerID: id}); err != nil {
		return r.notStarted(ctx, id, err)
	}
	return nil
}

// notStarted explains why a container did not start, which it may do yet.
func (r *Runtime) notStarted(ctx context.Context, id string, err error) error {
	if errdefs.IsNotFound(native(err)) {
		if _, missing := r.Inspect(ctx, id); missing != nil {
			return errors.Join(missing, os.RemoveAll(r.layout.state(id)))
		}
	}
	_, explained := failedStart("start container "+id, err)
	return errors.Join(explained, r.unmarkStarted(id))
}

// holdFIFOs opens an output's FIFOs for reading and writing, which never blocks.
func holdFIFOs(output runtime.Output) (release func(), err error) {
	var held []*os.File
	release = func() {
		for _, file := range held {
			file.Close()
		}
	}
	for _, path := range []string{output.Stdout, output.Stderr} {
		if path == "" {
			continue
		}
		file, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
		if err != nil {
			release()
			return nil, err
		}
		held = append(held, file)
	}
	return release, nil
}

// Signal implements runtime.Runtime.
func (r *Runtime) Signal(ctx context.Context, id, name string) error {
	number, err := parseSignal(name)
	if err != nil {
		return err
	}
	if r.started(id).IsZero() { // its process, if there is one, only waits for the start
		if _, err := r.Inspect(ctx, id); err != nil {
			return err
		}
		return fmt.Errorf("container %s: %w", id, runtime.ErrNotRunning)
	}
	_, err = r.client.TaskService().Kill(ctx, &tasks.KillRequest{ContainerID: id, Signal: uint32(number)})
	if err = native(err); errdefs.IsNotFound(err) {
		// No such task, or its process has ended. Is there a container?
		if _, err := r.Inspect(ctx, id); err != nil {
			return err
		}
		return fmt.Errorf("container %s: %w", id, runtime.ErrNotRunning)
	}
	return explain("signal container "+id, err)
}

// parseSignal reads "SIGTERM", "TERM" and "15".
func parseSignal(name string) (unix.Signal, error) {
	if number, err := strconv.Atoi(name); err == nil && (number <= 0 || number > 64) {
		return 0, api.Invalidf("signal %q: no such signal", name)
	}
	number, err := signal.ParseSignal(name)
	if err != nil {
		return 0, api.Invalidf("signal %q: no such signal", name)
	}
	return number, nil
}

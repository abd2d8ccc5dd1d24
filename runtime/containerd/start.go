package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
	"github.com/moby/sys/signal"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// Start implements runtime.Runtime. Who wants the output from its first byte opens
// the FIFOs before.
func (r *Runtime) Start(ctx context.Context, id string) error {
	select {
	case r.starting <- struct{}{}:
		defer func() { <-r.starting }()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer r.locks.lock(id)()
	ctx, cancel := detach(ctx)
	defer cancel()
	if !r.started(id).IsZero() {
		return fmt.Errorf("start container %s: %w: it was started before", id, runtime.ErrRejected)
	}
	p, err := r.prepare(ctx, id)
	if err != nil {
		return err
	}
	if p.meta.Boot != r.boot {
		return fmt.Errorf("start container %s: %w: it is from before the host's restart", id, runtime.ErrRejected)
	}
	// The shim waits until somebody reads; from then on it holds both ends itself.
	release, err := holdFIFOs(p.meta.Output)
	if err != nil {
		return fmt.Errorf("start container %s: %w", id, err)
	}
	defer release()
	request := &tasks.CreateTaskRequest{
		ContainerID: id, Rootfs: mount.ToProto(p.mounts), Terminal: p.meta.TTY,
		Stdin: p.meta.Output.Stdin, Stdout: p.meta.Output.Stdout, Stderr: p.meta.Output.Stderr,
	}
	if p.meta.TTY {
		request.Stderr = ""
	}
	service := r.client.TaskService()
	if _, err := service.Create(ctx, request); err != nil {
		_, explained := failedStart("start container "+id, err)
		return explained
	}
	if err := r.markStarted(id); err != nil {
		return errors.Join(explain("start container "+id, err), r.endTask(ctx, id, p.meta.HostPid))
	}
	if _, err := service.Start(ctx, &tasks.StartRequest{ContainerID: id}); err != nil {
		_, explained := failedStart("start container "+id, err)
		return errors.Join(explained, r.endTask(ctx, id, p.meta.HostPid), r.unmarkStarted(id))
	}
	r.prepared.Delete(id)
	return nil
}

// prepare recalls what Create knew, or asks containerd.
func (r *Runtime) prepare(ctx context.Context, id string) (prepared, error) {
	if found, ok := r.prepared.Load(id); ok {
		return found.(prepared), nil
	}
	record, err := r.client.ContainerService().Get(ctx, id)
	if errdefs.IsNotFound(err) {
		return prepared{}, fmt.Errorf("container %s: %w", id, runtime.ErrNotFound)
	}
	if err != nil {
		return prepared{}, explain("start container "+id, err)
	}
	m, err := readMeta(record)
	if err != nil {
		return prepared{}, err
	}
	mounts, err := r.client.SnapshotService(record.Snapshotter).Mounts(ctx, record.SnapshotKey)
	if err != nil {
		return prepared{}, explain("start container "+id, err)
	}
	return prepared{mounts, m}, nil
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

package containerd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/errdefs"

	"github.com/orc-project/orc/runtime"
)

// Inspect implements runtime.Runtime.
func (r *Runtime) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	record, err := r.client.ContainerService().Get(ctx, id)
	if errdefs.IsNotFound(err) {
		return runtime.Container{}, fmt.Errorf("container %s: %w", id, runtime.ErrNotFound)
	}
	if err != nil {
		return runtime.Container{}, explain("inspect container "+id, err)
	}
	var process *task.Process
	response, err := r.client.TaskService().Get(ctx, &tasks.GetRequest{ContainerID: id})
	if err = native(err); err == nil {
		process = response.Process
	} else if !errdefs.IsNotFound(err) {
		return runtime.Container{}, explain("inspect container "+id, err)
	}
	return r.describe(record, process)
}

// List implements runtime.Runtime. Two calls, however many containers.
func (r *Runtime) List(ctx context.Context) ([]runtime.Container, error) {
	// The tasks first: a container without one was created since or has ended
	// before the host's restart, never one that runs.
	response, err := r.client.TaskService().List(ctx, &tasks.ListTasksRequest{})
	if err != nil {
		return nil, explain("list containers", err)
	}
	processes := map[string]*task.Process{}
	for _, process := range response.Tasks {
		processes[process.ID] = process
	}
	records, err := r.client.ContainerService().List(ctx)
	if err != nil {
		return nil, explain("list containers", err)
	}
	list := make([]runtime.Container, 0, len(records))
	for _, record := range records {
		if _, ours := record.Extensions[metaKey]; !ours {
			continue
		}
		process := processes[record.ID]
		if process == nil && !r.started(record.ID).IsZero() {
			c, err := r.Inspect(ctx, record.ID) // started between the two calls?
			if err == nil {
				list = append(list, c)
			}
			continue
		}
		c, err := r.describe(record, process)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b runtime.Container) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// describe makes the contract's container of containerd's record and task; there
// is no task before the start, and none after a restart of the host.
func (r *Runtime) describe(record containers.Container, process *task.Process) (runtime.Container, error) {
	m, err := readMeta(record)
	if err != nil {
		return runtime.Container{}, err
	}
	c := runtime.Container{
		ID: record.ID, Task: m.Task, Image: runtime.ImageRef{Name: m.Image, Digest: m.Digest}, Created: record.CreatedAt,
		State: runtime.Created, Started: r.started(record.ID), TTY: m.TTY, Health: m.Health, StopSignal: m.StopSignal, Output: m.Output,
	}
	switch {
	case process == nil && m.Boot == r.boot && c.Started.IsZero():
		return c, nil
	case process == nil:
		end := r.recall(record.ID)
		c.State, c.ExitCode, c.OOM, c.Finished = runtime.Exited, end.Code, end.OOM, end.Time
	case process.Status == task.Status_CREATED:
	case process.Status == task.Status_STOPPED:
		end := r.remember(record.ID, int(process.ExitStatus), process.ExitedAt.AsTime())
		c.State, c.ExitCode, c.OOM, c.Finished = runtime.Exited, end.Code, end.OOM, end.Time
	default:
		c.State, c.Pid = runtime.Running, int(process.Pid)
	}
	return c, nil
}

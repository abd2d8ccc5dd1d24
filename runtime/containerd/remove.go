package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// Remove implements runtime.Runtime.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	if !containerID.MatchString(id) {
		return nil // no container was ever called so
	}
	defer r.locks.lock(id)()
	ctx, cancel := detach(ctx)
	defer cancel()
	if err := r.remove(ctx, id); err != nil {
		return explain("remove container "+id, err)
	}
	return nil
}

// remove takes away all that belongs to a container. Each step does without what
// is gone already, so that a removal cut short is finished by the next; the record
// goes last but one, as it says what there is to remove.
func (r *Runtime) remove(ctx context.Context, id string) error {
	service := r.client.ContainerService()
	record, err := service.Get(ctx, id)
	if errdefs.IsNotFound(err) {
		// Nothing that starts or ends depends on the record: tidy up all the same.
		return errors.Join(r.removeFiles(id), os.RemoveAll(r.layout.state(id)))
	}
	if err != nil {
		return err
	}
	m, err := readMeta(record)
	if err != nil {
		return err
	}
	if err := r.endTask(ctx, id, m.HostPid); err != nil {
		return err
	}
	if err := r.removeFiles(id); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(r.layout.state(id)), removeFIFOs(m.Output)); err != nil {
		return err
	}
	if err := r.client.SnapshotService(record.Snapshotter).Remove(ctx, record.SnapshotKey); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove its files: %w", err)
	}
	if err := service.Delete(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return r.releaseVolumes(ctx, m.Volumes)
}

// endTask kills a container's processes and removes what is left of them: the
// shim, the mounts, the cgroup.
func (r *Runtime) endTask(ctx context.Context, id string, all bool) error {
	service := r.client.TaskService()
	// Nothing is left to kill: no such task, or its process has ended.
	_, err := service.Kill(ctx, &tasks.KillRequest{ContainerID: id, Signal: uint32(unix.SIGKILL), All: all})
	if err = native(err); err != nil && !errdefs.IsNotFound(err) && !shimGone(err) {
		return fmt.Errorf("kill it: %w", err)
	}
	_, err = service.Wait(ctx, &tasks.WaitRequest{ContainerID: id})
	if err = native(err); errdefs.IsNotFound(err) {
		return nil
	} else if err != nil && !shimGone(err) {
		return fmt.Errorf("wait for its end: %w", err)
	}
	_, err = service.Delete(ctx, &tasks.DeleteTaskRequest{ContainerID: id})
	if err = native(err); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove its process: %w", err)
	}
	return nil
}

// shimGone says that a shim died whose task containerd still knows: deleting the
// task kills what the shim left.
func shimGone(err error) bool { return err != nil && strings.Contains(err.Error(), "ttrpc: closed") }

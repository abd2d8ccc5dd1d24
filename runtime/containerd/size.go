package containerd

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/orc-project/orc/runtime"
)

// ContainerSize implements runtime.Layers.
func (r *Runtime) ContainerSize(ctx context.Context, id string) (int64, error) {
	record, err := r.client.ContainerService().Get(ctx, id)
	if errdefs.IsNotFound(err) {
		return 0, fmt.Errorf("container %s: %w", id, runtime.ErrNotFound)
	}
	if err != nil {
		return 0, explain("measure container "+id, err)
	}
	usage, err := r.client.SnapshotService(record.Snapshotter).Usage(ctx, record.SnapshotKey)
	if errdefs.IsNotFound(err) {
		return 0, fmt.Errorf("container %s: %w", id, runtime.ErrNotFound) // just removed
	}
	if err != nil {
		return 0, explain("measure container "+id, err)
	}
	return usage.Size, nil
}

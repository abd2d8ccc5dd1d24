package containerd

import (
	"context"
	"fmt"
	"time"

	"github.com/orc-project/orc/runtime"
)

// Stats implements runtime.Runtime. It reads the container's cgroup itself: that
// asks nothing of containerd, however often it is done.
func (r *Runtime) Stats(ctx context.Context, id string) (runtime.Stats, error) {
	c, err := r.Inspect(ctx, id)
	if err != nil {
		return runtime.Stats{}, err
	}
	if c.State == runtime.Running {
		if stats, ok := (cgroup{r.host.unified, id}).stats(time.Now()); ok {
			return stats, nil
		}
	}
	return runtime.Stats{}, fmt.Errorf("container %s: %w", id, runtime.ErrNotRunning)
}

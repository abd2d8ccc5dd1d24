package agent

import (
	"context"
	"time"

	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/sleep"
)

// leavePause is how often Leave looks whether all has ended.
const leavePause = 100 * time.Millisecond

// Leave has the node run nothing any more, as if a manager had told it so, and returns
// when nothing of it is there, each container having had its time to stop. That is Run's
// work, which it waits for. The only error is ctx's.
func (a *Agent) Leave(ctx context.Context) error {
	if err := a.Apply(wire.Down{Full: true}); err != nil {
		return err
	}
	select {
	case <-a.adopted:
	case <-ctx.Done():
		return ctx.Err()
	}
	for a.runs() {
		if err := sleep.For(ctx, leavePause); err != nil {
			return err
		}
	}
	return nil
}

func (a *Agent) runs() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.tasks) > 0
}

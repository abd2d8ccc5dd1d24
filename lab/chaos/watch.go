package chaos

import (
	"context"
	"time"

	"github.com/orc-project/orc/sleep"
)

// lookEvery is the time between two looks at the cluster.
const lookEvery = 250 * time.Millisecond

// watch holds the invariants against the cluster until ctx ends or one does not
// hold.
func watch(ctx context.Context, e *eyes, invariants []Invariant) error {
	for sleep.For(ctx, lookEvery) == nil {
		view, err := e.look(ctx)
		if err != nil {
			return err
		}
		if view == nil {
			continue
		}
		for _, holds := range invariants {
			if err := holds(view); err != nil {
				return err
			}
		}
	}
	return nil
}

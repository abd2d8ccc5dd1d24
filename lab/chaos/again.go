package chaos

import (
	"context"
	"errors"
	"time"

	"github.com/orc-project/orc/sleep"
)

// clock says how much time has passed since some time.
type clock interface{ Now() time.Duration }

// again tries until there is no error, or one that is a *Violation, or the limit is
// over on the clock. It returns the last one.
func again(ctx context.Context, clock clock, limit time.Duration, try func() error) error {
	deadline := clock.Now() + limit
	for {
		err := try()
		var broken *Violation
		if err == nil || errors.As(err, &broken) || clock.Now() > deadline || sleep.For(ctx, restAfterError) != nil {
			return err
		}
	}
}

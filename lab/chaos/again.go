package chaos

import (
	"context"
	"errors"
	"time"

	"github.com/orc-project/orc/sleep"
)

// again tries until there is no error, or one that is a *Violation, or the limit is
// over. It returns the last one.
func again(ctx context.Context, limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := try()
		var broken *Violation
		if err == nil || errors.As(err, &broken) || time.Now().After(deadline) || sleep.For(ctx, restAfterError) != nil {
			return err
		}
	}
}

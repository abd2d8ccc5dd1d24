// Package sleep waits for time to pass or for somebody to call it off. It knows
// nothing of what is waited for: a loop that can be told to look again waits on
// what tells it.
package sleep

import (
	"context"
	"time"
)

// For sleeps for d, or until ctx ends: then it returns ctx's error.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

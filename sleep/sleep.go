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

// Next is how long it is to the next of the moments that are period apart and the same
// for all who ask. Loops that look now and then wake the host together by it: an idle
// process of many loops else is woken by each of them. It goes by the clock, but no jump
// of that makes it longer than period.
func Next(period time.Duration) time.Duration {
	now := time.Now()
	return now.Add(period).Truncate(period).Sub(now.Round(0))
}

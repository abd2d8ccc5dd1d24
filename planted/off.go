//go:build !chaosbugs

package planted

import "context"

// Fence is what a leader's commit goes by: its own context, and the term that the
// database must find in force.
func Fence[T any](ctx context.Context, term *T) (context.Context, *T) { return ctx, term }

// WatchFrom is the first revision that a watch is to tell of.
func WatchFrom(_ context.Context, next int64) int64 { return next }

// Commit commits, and returns when that is done.
func Commit[T any](ctx context.Context, commit func(context.Context, T) (int64, error), tx T) (int64, error) {
	return commit(ctx, tx)
}

// Address is the one that a task gets of a network.
func Address[T any](_ string, chosen T) T { return chosen }

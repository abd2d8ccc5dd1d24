//go:build chaosbugs

package planted

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"
)

// awake says whether a bug is.
func awake(bug string) bool {
	text, err := os.ReadFile(os.Getenv("ORC_CHAOS_BUG"))
	return err == nil && strings.TrimSpace(string(text)) == bug
}

// doze takes so many tenths of a second of the process's own time: while it is
// stopped none passes.
func doze(tenths int) {
	for range tenths {
		time.Sleep(100 * time.Millisecond)
	}
}

// Fence makes a leader slow, and neither it nor the database ask whether it leads.
func Fence[T any](ctx context.Context, term *T) (context.Context, *T) {
	if !awake("fence") {
		return ctx, term
	}
	doze(15)
	return context.WithoutCancel(ctx), nil
}

// WatchFrom begins late, and with whatever comes next.
func WatchFrom(_ context.Context, next int64) int64 {
	if !awake("gap") {
		return next
	}
	doze(7)
	return 0
}

// Commit returns at once and commits later.
func Commit[T any](ctx context.Context, commit func(context.Context, T) (int64, error), tx T) (int64, error) {
	if !awake("answer") {
		return commit(ctx, tx)
	}
	go func() {
		doze(1)
		commit(context.WithoutCancel(ctx), tx)
	}()
	return 0, nil
}

var (
	mu    sync.Mutex
	given = make(map[string]any)
)

// Address is always the one that was given last before the bug woke.
func Address[T any](network string, chosen T) T {
	mu.Lock()
	defer mu.Unlock()
	if first, found := given[network].(T); found && awake("address") {
		return first
	}
	given[network] = chosen
	return chosen
}

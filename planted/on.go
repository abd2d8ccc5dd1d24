//go:build chaosbugs

package planted

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"
)

// awake says whether a bug is: its name is what the file begins with.
func awake(bug string) bool { return len(words()) > 0 && words()[0] == bug }

// released says whether the one that a bug holds may go on: there is a second word.
func released() bool { return len(words()) > 1 }

func words() []string {
	text, err := os.ReadFile(os.Getenv("ORC_CHAOS_BUG"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// held keeps the first who comes until it is released or the bug asleep again, and
// says whether that was the caller. A file of its own tells that it is held.
func held(bug string) bool {
	mark, err := os.OpenFile(os.Getenv("ORC_CHAOS_BUG")+".held", os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	mark.Close()
	for awake(bug) && !released() {
		doze(1)
	}
	return true
}

// doze takes so many tenths of a second of the process's own time: while it is
// stopped none passes.
func doze(tenths int) {
	for range tenths {
		time.Sleep(100 * time.Millisecond)
	}
}

// Fence holds a leader's commit, after which neither it nor the database ask whether
// it leads. The others are slow, so that it can be seen what comes of it.
func Fence[T any](ctx context.Context, term *T) (context.Context, *T) {
	switch {
	case !awake("fence"):
		return ctx, term
	case held("fence"):
		return context.WithoutCancel(ctx), nil
	}
	doze(15)
	return ctx, term
}

// WatchFrom begins late, and with whatever comes next.
func WatchFrom(_ context.Context, next int64) int64 {
	if awake("gap") && held("gap") {
		return 0
	}
	return next
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

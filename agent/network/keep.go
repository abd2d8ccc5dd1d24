package network

import (
	"context"
	"fmt"
	"time"

	"github.com/orc-project/orc/sleep"
)

// The pauses of keep: what changes together is mended together, what cannot be
// mended is tried again, and all is looked at now and then should the kernel's word
// of a change have been lost.
const (
	mendPause  = 100 * time.Millisecond
	retryPause = time.Second
	lookPause  = time.Minute
)

// keep mends what somebody else changes.
func (f *Fabric) keep(ctx context.Context) error {
	links, err := f.links.Watch(ctx)
	if err != nil {
		return fmt.Errorf("watch the node's links: %w", err)
	}
	packets, err := f.rules.Watch(ctx)
	if err != nil {
		return fmt.Errorf("watch the node's packet rules: %w", err)
	}
	look := time.NewTicker(lookPause)
	defer look.Stop()
	for {
		pause, restore := mendPause, func() { f.restore() }
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-links:
			restore = f.restoreLinks
		case <-packets:
		case <-look.C:
		case <-f.mend:
			pause = retryPause
		}
		if sleep.For(ctx, pause) != nil {
			return ctx.Err()
		}
		f.mu.Lock()
		f.lookAtHost()
		restore()
		f.mu.Unlock()
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

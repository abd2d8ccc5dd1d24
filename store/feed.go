package store

import (
	"context"
	"fmt"
	"sync"
)

// feedLimit is how many changes a Feed keeps for readers that are behind. Who is
// further behind compares whole snapshots instead.
const feedLimit = 1 << 14

// Feed hands the snapshots of one process to those who wait for them; an
// implementation of Store publishes into it. It has no goroutine: readers come
// and take, so a slow one costs nobody else, and what is kept for it is bounded.
type Feed struct {
	mu      sync.Mutex
	current *Snapshot
	log     [][]Change    // the latest updates, oldest first
	first   int64         // number of log[0]; numbers count updates
	kept    int           // changes in log
	wake    chan struct{} // closed at the next update
	closed  bool
}

// NewFeed starts with a snapshot.
func NewFeed(snapshot *Snapshot) *Feed {
	return &Feed{current: snapshot, wake: make(chan struct{})}
}

// Publish makes snapshot the current one. changes are all differences from the
// one before. Publishing after Close does nothing.
func (f *Feed) Publish(snapshot *Snapshot, changes []Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.current = snapshot
	f.log = append(f.log, changes)
	f.kept += len(changes) + 1
	for f.kept > feedLimit {
		f.kept -= len(f.log[0]) + 1
		f.log[0] = nil
		f.log = f.log[1:]
		f.first++
	}
	close(f.wake)
	f.wake = make(chan struct{})
}

// Close ends all waiting with ErrUnavailable. Snapshot goes on working.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.wake)
	}
}

// Snapshot returns the current one.
func (f *Feed) Snapshot() *Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

// WaitFor is Store.WaitFor.
func (f *Feed) WaitFor(ctx context.Context, revision int64) (*Snapshot, error) {
	for {
		f.mu.Lock()
		current, wake, closed := f.current, f.wake, f.closed
		f.mu.Unlock()
		if current.Revision() >= revision {
			return current, nil
		}
		if closed {
			return nil, errClosed
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Watch is Store.Watch.
func (f *Feed) Watch() Watcher {
	return &feedWatcher{feed: f, closed: make(chan struct{})}
}

var errClosed = fmt.Errorf("closed: %w", ErrUnavailable)

// feedWatcher remembers how far its reader has come.
type feedWatcher struct {
	feed   *Feed
	reader sync.Mutex // one Next at a time
	seen   *Snapshot  // what Next last returned; nil before the first
	next   int64      // number of the first update that seen lacks
	once   sync.Once
	closed chan struct{}
}

func (w *feedWatcher) Close() { w.once.Do(func() { close(w.closed) }) }

func (w *feedWatcher) Next(ctx context.Context) (Update, error) {
	w.reader.Lock()
	defer w.reader.Unlock()
	for {
		select {
		case <-w.closed:
			return Update{}, errClosed
		default:
		}
		if err := ctx.Err(); err != nil {
			return Update{}, err
		}
		update, wake, err := w.take()
		if err != nil || wake == nil {
			return update, err
		}
		select {
		case <-wake:
		case <-w.closed:
		case <-ctx.Done():
		}
	}
}

// take returns what is new, or the channel that is closed when something is. An
// update in which nothing differs after all is nothing new.
func (w *feedWatcher) take() (Update, chan struct{}, error) {
	f := w.feed
	f.mu.Lock()
	current, wake, closed := f.current, f.wake, f.closed
	before, behind := w.seen, w.next < f.first
	var news [][]Change
	if before != nil && !behind {
		news = append(news, f.log[w.next-f.first:]...)
	}
	w.next = f.first + int64(len(f.log))
	f.mu.Unlock()
	if closed {
		return Update{}, nil, errClosed
	}
	w.seen = current
	update := Update{Snapshot: current}
	switch {
	case before == nil:
		return update, nil, nil
	case behind:
		update.Changes = Diff(before, current)
	default:
		update.Changes = coalesce(news)
	}
	if len(update.Changes) == 0 {
		return Update{}, wake, nil
	}
	return update, nil, nil
}

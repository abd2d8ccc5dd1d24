package etcd

import (
	"sync"
	"time"

	"github.com/orc-project/orc/store"
)

// lapse is a time in which the reader cannot follow the database.
type lapse struct {
	mu    sync.Mutex
	since time.Time // zero while it can
}

func (l *lapse) begin(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		l.since = now
	}
}

func (l *lapse) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Time{}
}

var _ store.Follower = (*Store)(nil)

// Behind implements store.Follower.
func (s *Store) Behind() time.Duration {
	s.lapse.mu.Lock()
	defer s.lapse.mu.Unlock()
	if s.lapse.since.IsZero() {
		return 0
	}
	return time.Since(s.lapse.since)
}

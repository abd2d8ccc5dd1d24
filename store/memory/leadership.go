package memory

import (
	"context"

	"github.com/orc-project/orc/store"
)

// leadership is a term. It ends once: done is closed then.
type leadership struct {
	store *Store
	id    string
	done  chan struct{}
}

// Campaign implements store.Store.
func (s *Store) Campaign(ctx context.Context, id string) (store.Leadership, error) {
	for {
		if err := s.usable(ctx); err != nil {
			return nil, err
		}
		mine, others := s.db.enthrone(s, id)
		switch {
		case mine != nil:
			return mine, nil
		case others == nil:
			continue // closed meanwhile, which usable tells
		}
		select {
		case <-others.done:
		case <-ctx.Done():
		case <-s.closed:
		}
	}
}

// Leader implements store.Store.
func (s *Store) Leader(ctx context.Context) (string, error) {
	if err := s.usable(ctx); err != nil {
		return "", err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.db.leader == nil {
		return "", nil
	}
	return s.db.leader.id, nil
}

// Commit implements store.Leadership.
func (l *leadership) Commit(ctx context.Context, tx *store.Tx) (int64, error) {
	return l.store.commit(ctx, tx, l)
}

// Done implements store.Leadership.
func (l *leadership) Done() <-chan struct{} { return l.done }

// Resign implements store.Leadership.
func (l *leadership) Resign(context.Context) error {
	l.store.db.mu.Lock()
	defer l.store.db.mu.Unlock()
	l.store.db.dethrone(l)
	return nil
}

// enthrone returns a new term of s, or the current one of another, or neither
// when s is closed.
func (db *database) enthrone(s *Store, id string) (mine, others *leadership) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.leader != nil || !db.processes[s] {
		return nil, db.leader
	}
	db.leader = &leadership{store: s, id: id, done: make(chan struct{})}
	return db.leader, nil
}

// dethrone ends a term unless it has ended. The caller holds the lock.
func (db *database) dethrone(term *leadership) {
	if term != nil && db.leader == term {
		db.leader = nil
		close(term.done)
	}
}

// Package memory is the store's contract in memory: for tests, and wherever a
// cluster is played rather than run. It has no goroutines, so it works inside
// testing/synctest bubbles. It never keeps anything beyond the process.
package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/orc-project/orc/store"
)

// Store is one process's view of a database. New makes a database and the first
// process; Process adds others that share the database and compete to lead.
type Store struct {
	db   *database
	once sync.Once
	// closed ends the process: what blocks in it and its leadership.
	closed chan struct{}
	feed   *store.Feed
}

var _ store.Store = (*Store)(nil)

// database is what the processes share. Its lock orders commits, so that every
// process sees the same revisions.
type database struct {
	mu        sync.Mutex
	snapshot  *store.Snapshot
	processes map[*Store]bool
	leader    *leadership
}

// New makes an empty database with one process.
func New() *Store {
	db := &database{snapshot: store.NewSnapshot(1), processes: make(map[*Store]bool)}
	return db.join()
}

// Process adds another process to the database.
func (s *Store) Process() *Store { return s.db.join() }

// Depose ends the leadership, whoever has it, as losing the connection to the
// others would. Another candidate leads then. The deposed one's Commit fails with
// ErrFenced.
func (s *Store) Depose() {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.db.dethrone(s.db.leader)
}

// Close ends the process and its leadership. What blocks in it returns
// ErrUnavailable. It always returns nil.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.feed.Close()
		s.db.mu.Lock()
		defer s.db.mu.Unlock()
		close(s.closed)
		delete(s.db.processes, s)
		if leader := s.db.leader; leader != nil && leader.store == s {
			s.db.dethrone(leader)
		}
	})
	return nil
}

// Snapshot implements store.Store.
func (s *Store) Snapshot() *store.Snapshot { return s.feed.Snapshot() }

// WaitFor implements store.Store.
func (s *Store) WaitFor(ctx context.Context, revision int64) (*store.Snapshot, error) {
	return s.feed.WaitFor(ctx, revision)
}

// Linearized implements store.Store.
func (s *Store) Linearized(ctx context.Context) (int64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return s.db.snapshot.Revision(), nil
}

// Watch implements store.Store.
func (s *Store) Watch() store.Watcher { return s.feed.Watch() }

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, tx *store.Tx) (int64, error) {
	return s.commit(ctx, tx, nil)
}

// commit is for by, who must lead, or for anybody when by is nil.
func (s *Store) commit(ctx context.Context, tx *store.Tx, by *leadership) (int64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	values, err := tx.Encode()
	if err != nil {
		return 0, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if by != nil && s.db.leader != by {
		return 0, store.ErrFenced
	}
	return s.db.commit(tx, values)
}

func (s *Store) usable(ctx context.Context) error {
	select {
	case <-s.closed:
		return fmt.Errorf("closed: %w", store.ErrUnavailable)
	default:
		return ctx.Err()
	}
}

func (db *database) join() *Store {
	db.mu.Lock()
	defer db.mu.Unlock()
	s := &Store{db: db, closed: make(chan struct{}), feed: store.NewFeed(db.snapshot)}
	db.processes[s] = true
	return s
}

// commit keeps decoded copies of what is written, as a database on disk would.
func (db *database) commit(tx *store.Tx, values store.Encoded) (int64, error) {
	resolved, err := tx.Resolve(db.snapshot)
	if err != nil {
		return 0, err
	}
	revision := db.snapshot.Revision() + 1
	builder := store.NewBuilder(db.snapshot)
	var changes []store.Change
	for i, op := range resolved.Ops {
		change := store.Change{Kind: op.Kind, ID: op.ID}
		switch op.Verb {
		case store.Put:
			if change.New, err = store.Decode(op.Kind, revision, values[i]); err != nil {
				return 0, err
			}
			change.Old = builder.Put(change.New)
		case store.Delete:
			if change.Old = builder.Delete(op.Kind, op.ID); change.Old == nil {
				continue
			}
		case store.Require:
			continue
		}
		changes = append(changes, change)
	}
	if len(changes) == 0 {
		return db.snapshot.Revision(), nil
	}
	db.snapshot = builder.Snapshot(revision)
	for process := range db.processes {
		process.feed.Publish(db.snapshot, changes)
	}
	return revision, nil
}

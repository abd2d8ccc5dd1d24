// Package store is the contract of the cluster's database: immutable indexed
// snapshots to read, a watch that never loses a change, and atomic commits that
// compare what they build on. It keeps api.Objects and knows nothing of their
// meaning.
//
// The contract has two implementations, store/etcd and store/memory, and one
// suite that both must pass, store/storetest.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/orc-project/orc/api"
)

// The errors of a store. All can be told with errors.Is.
var (
	// ErrConflict: an object changed or came to exist since it was read. Read
	// again, decide again, commit again.
	ErrConflict = errors.New("the object changed meanwhile")
	// ErrNameTaken: another object of the kind has the name. It wraps ErrConflict's
	// treatment only in that nothing was written; trying again does not help.
	ErrNameTaken = errors.New("the name is taken")
	// ErrFenced: the committer is no longer the leader.
	ErrFenced = errors.New("no longer the leader")
	// ErrTooLarge: the transaction exceeds MaxOps or MaxBytes.
	ErrTooLarge = errors.New("the transaction is too large")
	// ErrUnreadable: an object holds what could not be read again, as text that is not
	// UTF-8 or a time after the year 9999.
	ErrUnreadable = errors.New("this could not be read again")
	// ErrFull: what is kept takes so much of the database that only what the cluster
	// itself needs may be added. Removing frees it.
	ErrFull = errors.New("the database has no room for more")
	// ErrUnavailable: no quorum, disk full, closed. Nothing is known to be
	// written; it may have been (a commit whose answer was lost).
	ErrUnavailable = errors.New("the database is not available")
	// ErrUnwritten is beside the others in what a commit returns that was refused
	// before anything of it was sent: for certain nothing was or will be written.
	ErrUnwritten = errors.New("nothing was written")
)

// The limits of one transaction.
const (
	MaxOps   = 8192
	MaxBytes = 8 << 20 // of encoded values
)

// Store is the database. Its methods may be called at once from many goroutines.
type Store interface {
	// Snapshot returns the newest view that this process has. It never blocks.
	Snapshot() *Snapshot

	// WaitFor returns a view at revision or newer. It is how a caller reads its
	// own commit, and with Linearized everybody's.
	WaitFor(ctx context.Context, revision int64) (*Snapshot, error)

	// Linearized returns a revision that is at least that of every commit
	// acknowledged before the call, by whichever process.
	Linearized(ctx context.Context) (int64, error)

	// Watch begins at the newest snapshot: the first Next returns it at once, with
	// no changes.
	Watch() Watcher

	// Commit writes all of tx or nothing and returns its revision. It wakes
	// Snapshot and Watch before long, not at once: see WaitFor. A transaction
	// with nothing to write still compares; its revision is then that of what it
	// was compared with. When objects changed and a name is taken, the error is
	// ErrConflict.
	Commit(ctx context.Context, tx *Tx) (int64, error)

	// Campaign blocks until this process leads, or ctx ends. id names the
	// candidate in the election, for people. The snapshot is then at least as new
	// as the election. ctx's end does not end a leadership that was won.
	Campaign(ctx context.Context, id string) (Leadership, error)

	// Leader returns the id that the current leader campaigned with, or "".
	Leader(ctx context.Context) (string, error)
}

// Follower is a Store whose snapshots can fall behind the database although that
// answers: what it is told cannot be read, or the telling fails.
type Follower interface {
	// Behind is for how long that has been so; 0 while the store follows.
	Behind() time.Duration
}

// Watcher delivers snapshots as they come, coalesced: a slow reader sees fewer
// and larger updates, never a stale last one and never a gap.
type Watcher interface {
	// Next blocks until something differs from what it last returned. The error
	// is ctx's, or ErrUnavailable when the store has been closed. Changes are
	// shared with other watchers: leave them as they are.
	Next(ctx context.Context) (Update, error)
	// Close gives the watcher up. Next returns ErrUnavailable from then on.
	Close()
}

// Update is a snapshot and what became different since the one before.
type Update struct {
	Snapshot *Snapshot
	Changes  []Change
}

// Change is one object's. Old is nil for a new object, New for a deleted one.
// One that was created and deleted between two updates is not told of.
type Change struct {
	Kind api.Kind
	ID   string
	Old  api.Object
	New  api.Object
}

// Leadership is the right to act for the cluster, while it lasts.
type Leadership interface {
	// Commit is Store.Commit, but fails with ErrFenced when another process has
	// taken over: the commit compares the election's key in the same transaction.
	Commit(ctx context.Context, tx *Tx) (int64, error)
	// Done is closed when the leadership is known to have ended.
	Done() <-chan struct{}
	// Resign ends it. Who campaigns next leads at once, this process too, but for one
	// that cannot write, which lets another lead.
	Resign(ctx context.Context) error
}

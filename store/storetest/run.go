// Package storetest is the conformance suite of the store's contract: what every
// implementation must do, told by its own behaviour alone. It never looks inside
// of one.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Backend is a database to test, empty at first.
type Backend interface {
	// Open adds a process to those that share the database.
	Open(t *testing.T) Process
	// Depose ends the current leadership without its holder's doing, as when it
	// loses the connection to the others.
	Depose(t *testing.T)
}

// Process is a store that can be closed. Closing twice is no error.
type Process interface {
	store.Store
	Close() error
}

// patience bounds what should take milliseconds, on a busy machine.
const patience = time.Minute

// Run runs the suite. start makes a new Backend and arranges for its end.
func Run(t *testing.T, start func(t *testing.T) Backend) {
	for _, group := range []map[string]func(*testing.T, Backend){commits, names, watches, leaders, closing} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) { test(t, start(t)) })
		}
	}
}

func open(t *testing.T, b Backend) Process {
	t.Helper()
	process := b.Open(t)
	t.Cleanup(func() { require.NoError(t, process.Close()) })
	return process
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// committer is a Store or a Leadership.
type committer interface {
	Commit(ctx context.Context, tx *store.Tx) (int64, error)
}

// commit writes what fill puts into a transaction and returns the revision.
func commit(t *testing.T, c committer, fill func(tx *store.Tx)) int64 {
	t.Helper()
	revision, err := try(t, c, fill)
	require.NoError(t, err)
	return revision
}

func try(t *testing.T, c committer, fill func(tx *store.Tx)) (int64, error) {
	t.Helper()
	var tx store.Tx
	fill(&tx)
	return c.Commit(patient(t), &tx)
}

// create writes new objects and returns the view that has them.
func create(t *testing.T, s store.Store, objects ...api.Object) *store.Snapshot {
	t.Helper()
	return at(t, s, commit(t, s, func(tx *store.Tx) {
		for _, object := range objects {
			tx.Create(object)
		}
	}))
}

// at is the view at a revision or newer.
func at(t *testing.T, s store.Store, revision int64) *store.Snapshot {
	t.Helper()
	snapshot, err := s.WaitFor(patient(t), revision)
	require.NoError(t, err)
	require.GreaterOrEqual(t, snapshot.Revision(), revision)
	return snapshot
}

// latest is the view of everything that was committed so far.
func latest(t *testing.T, s store.Store) *store.Snapshot {
	t.Helper()
	revision, err := s.Linearized(patient(t))
	require.NoError(t, err)
	return at(t, s, revision)
}

func task(id string) *api.Task {
	return &api.Task{Meta: api.Meta{ID: id}, Service: "service", Desired: api.DesiredRun}
}

func service(id, name string) *api.Service {
	return &api.Service{Meta: api.Meta{ID: id}, Name: name, Current: 1}
}

func network(id, name string) *api.Network {
	return &api.Network{Meta: api.Meta{ID: id}, Name: name}
}

// changed is a copy of a task that can be told from it.
func changed(old *api.Task, reason string) *api.Task {
	next := *old
	next.Reason = reason
	return &next
}

func renamed(old *api.Service, name string) *api.Service {
	next := *old
	next.Name = name
	return &next
}

package storetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var leaders = map[string]func(*testing.T, Backend){
	"the first to campaign leads and others wait":     leadFirst,
	"a leader commits with the same conflicts":        leadCommit,
	"a deposed leader's commit is fenced":             leadFenced,
	"Resign hands over at once":                       leadResign,
	"Campaign returns when its context ends":          leadContext,
	"a process can lead again":                        leadAgain,
	"closing the leader's process lets another lead":  leadClosed,
	"the new leader sees what the old one committed":  leadSees,
	"a leadership outlives the context it was won in": leadOutlives,
}

func campaign(t *testing.T, s store.Store, id string) store.Leadership {
	t.Helper()
	leadership, err := s.Campaign(patient(t), id)
	require.NoError(t, err)
	return leadership
}

// candidate campaigns in the background.
func candidate(t *testing.T, s store.Store, id string) <-chan store.Leadership {
	t.Helper()
	won := make(chan store.Leadership, 1)
	ctx := patient(t)
	go func() {
		defer close(won)
		if leadership, err := s.Campaign(ctx, id); err == nil {
			won <- leadership
		}
	}()
	return won
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case value := <-c:
		return value
	case <-patient(t).Done():
		require.FailNow(t, "waited too long")
		panic("unreachable")
	}
}

func leader(t *testing.T, s store.Store) string {
	t.Helper()
	id, err := s.Leader(patient(t))
	require.NoError(t, err)
	return id
}

func ended(l store.Leadership) bool {
	select {
	case <-l.Done():
		return true
	default:
		return false
	}
}

func leadFirst(t *testing.T, b Backend) {
	one, two := open(t, b), open(t, b)
	require.Empty(t, leader(t, two))
	first := campaign(t, one, "one")
	require.Equal(t, "one", leader(t, one))
	require.Equal(t, "one", leader(t, two))
	won := candidate(t, two, "two")
	commit(t, first, func(tx *store.Tx) { tx.Create(task("t1")) })
	require.Empty(t, won)
	require.False(t, ended(first))
	require.NoError(t, first.Resign(patient(t)))
	require.NotNil(t, await(t, won))
}

func leadCommit(t *testing.T, b Backend) {
	s := open(t, b)
	leadership := campaign(t, s, "one")
	revision := commit(t, leadership, func(tx *store.Tx) { tx.Create(service("s1", "web")) })
	require.NotNil(t, store.Get[api.Service](at(t, s, revision), "s1"))
	_, err := try(t, leadership, func(tx *store.Tx) { tx.Create(service("s1", "api")) })
	require.ErrorIs(t, err, store.ErrConflict)
	_, err = try(t, leadership, func(tx *store.Tx) { tx.Create(service("s2", "web")) })
	require.ErrorIs(t, err, store.ErrNameTaken)
	_, err = try(t, leadership, func(tx *store.Tx) { tx.Create(task("")) })
	require.Error(t, err)
}

func leadFenced(t *testing.T, b Backend) {
	one, two := open(t, b), open(t, b)
	first := campaign(t, one, "one")
	commit(t, first, func(tx *store.Tx) { tx.Create(service("s1", "web")) })
	b.Depose(t)
	second := campaign(t, two, "two")
	for name, fill := range map[string]func(*store.Tx){
		"that would succeed":           func(tx *store.Tx) { tx.Create(task("t1")) },
		"that has a conflict as well":  func(tx *store.Tx) { tx.Create(service("s1", "api")) },
		"whose name is taken as well":  func(tx *store.Tx) { tx.Create(service("s2", "web")) },
		"that would only compare":      func(tx *store.Tx) { tx.Require(task("none")) },
		"that is empty":                func(*store.Tx) {},
		"that removes what is missing": func(tx *store.Tx) { tx.Remove(api.KindTask, "none") },
	} {
		_, err := try(t, first, fill)
		require.ErrorIs(t, err, store.ErrFenced, "a commit %s", name)
	}
	await(t, first.Done())
	require.False(t, ended(second))
	commit(t, second, func(tx *store.Tx) { tx.Create(task("t1")) })
	commit(t, one, func(tx *store.Tx) { tx.Create(task("t2")) }) // as anybody may
	require.Equal(t, "two", leader(t, one))
	require.NoError(t, first.Resign(patient(t)), "resigning late is no error")
	require.Equal(t, "two", leader(t, one), "and harms nobody")
	commit(t, second, func(tx *store.Tx) { tx.Create(task("t3")) })
}

func leadResign(t *testing.T, b Backend) {
	one, two := open(t, b), open(t, b)
	first := campaign(t, one, "one")
	won := candidate(t, two, "two")
	require.NoError(t, first.Resign(patient(t)))
	require.True(t, ended(first))
	second := await(t, won)
	require.NotNil(t, second)
	_, err := try(t, first, func(tx *store.Tx) { tx.Create(task("t1")) })
	require.ErrorIs(t, err, store.ErrFenced)
	require.Equal(t, "two", leader(t, one))
	require.NoError(t, second.Resign(patient(t)))
	require.Empty(t, leader(t, one))
}

func leadContext(t *testing.T, b Backend) {
	one, two := open(t, b), open(t, b)
	campaign(t, one, "one")
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := two.Campaign(ctx, "two")
		failed <- err
	}()
	cancel()
	require.ErrorIs(t, await(t, failed), context.Canceled)
	require.Equal(t, "one", leader(t, two))
}

func leadAgain(t *testing.T, b Backend) {
	s := open(t, b)
	for range 3 {
		leadership := campaign(t, s, "one")
		commit(t, leadership, func(tx *store.Tx) { tx.Set(task("t1")) })
		require.NoError(t, leadership.Resign(patient(t)))
	}
	first := campaign(t, s, "one")
	b.Depose(t)
	await(t, first.Done())
	second := campaign(t, s, "one")
	_, err := try(t, first, func(tx *store.Tx) { tx.Set(task("t1")) })
	require.ErrorIs(t, err, store.ErrFenced, "a new term does not revive the old one")
	commit(t, second, func(tx *store.Tx) { tx.Set(task("t1")) })
}

func leadClosed(t *testing.T, b Backend) {
	one, two := open(t, b), open(t, b)
	first := campaign(t, one, "one")
	won := candidate(t, two, "two")
	require.NoError(t, one.Close())
	await(t, first.Done())
	require.NotNil(t, await(t, won))
	_, err := try(t, first, func(tx *store.Tx) { tx.Set(task("t1")) })
	require.Error(t, err)
	require.Zero(t, store.Count[api.Task](latest(t, two)))
}

func leadSees(t *testing.T, b Backend) {
	one, two := open(t, b), open(t, b)
	first := campaign(t, one, "one")
	won := candidate(t, two, "two")
	for i := range 20 {
		commit(t, first, func(tx *store.Tx) { tx.Create(task(api.RevisionID("t", i))) })
	}
	require.NoError(t, first.Resign(patient(t)))
	require.NotNil(t, await(t, won))
	require.Equal(t, 20, store.Count[api.Task](two.Snapshot()))
}

func leadOutlives(t *testing.T, b Backend) {
	s := open(t, b)
	ctx, cancel := context.WithCancel(context.Background())
	leadership, err := s.Campaign(ctx, "one")
	require.NoError(t, err)
	cancel()
	commit(t, leadership, func(tx *store.Tx) { tx.Create(task("t1")) })
	require.False(t, ended(leadership))
}

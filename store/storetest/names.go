package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var names = map[string]func(*testing.T, Backend){
	"a name is one object's of its kind":              nameTaken,
	"objects of different kinds may share a name":     nameOtherKind,
	"objects without a name are no clash":             nameEmpty,
	"a rename frees the old name and takes the new":   nameRenamed,
	"a deleted object's name is free":                 nameFreed,
	"names change hands within a transaction":         nameSwapped,
	"two in one transaction cannot share a name":      nameTwice,
	"a conflict is told before a taken name":          nameOrConflict,
	"one of many who create the same name wins":       nameRace,
	"a name is never free while objects pass it on":   nameStorm,
	"another process's rename is not a clash for set": nameElsewhere,
}

func nameTaken(t *testing.T, b Backend) {
	s := open(t, b)
	create(t, s, service("s1", "web"))
	for _, via := range []store.Store{s, open(t, b)} {
		_, err := try(t, via, func(tx *store.Tx) { tx.Create(service("s2", "web")) })
		require.ErrorIs(t, err, store.ErrNameTaken)
		require.NotErrorIs(t, err, store.ErrConflict)
		_, err = try(t, via, func(tx *store.Tx) { tx.Set(service("s2", "web")) })
		require.ErrorIs(t, err, store.ErrNameTaken)
	}
	require.Equal(t, 1, store.Count[api.Service](latest(t, s)))
}

func nameOtherKind(t *testing.T, b Backend) {
	got := create(t, open(t, b), service("s1", "web"), network("n1", "web"), &api.App{Meta: api.Meta{ID: "a1"}, Name: "web"})
	require.Equal(t, "s1", store.First[api.Service](got, store.ByName, "web").ID)
	require.Equal(t, "n1", store.First[api.Network](got, store.ByName, "web").ID)
}

func nameEmpty(t *testing.T, b Backend) {
	s := open(t, b)
	create(t, s, service("s1", ""), service("s2", ""))
	commit(t, s, func(tx *store.Tx) { tx.Remove(api.KindService, "s1") })
	create(t, s, service("s3", ""))
	node := func(id string) *api.Node { return &api.Node{Meta: api.Meta{ID: id}, Name: "host"} }
	create(t, s, node("n1"), node("n2")) // nodes' names are not unique
}

func nameRenamed(t *testing.T, b Backend) {
	s := open(t, b)
	got := create(t, s, service("s1", "web"), service("s2", "api"))
	web := store.Get[api.Service](got, "s1")
	_, err := try(t, s, func(tx *store.Tx) { tx.Update(renamed(web, "api")) })
	require.ErrorIs(t, err, store.ErrNameTaken)
	got = at(t, s, commit(t, s, func(tx *store.Tx) { tx.Update(renamed(web, "front")) }))
	require.Nil(t, store.First[api.Service](got, store.ByName, "web"))
	require.Equal(t, "s1", store.First[api.Service](got, store.ByName, "front").ID)
	create(t, s, service("s3", "web"))
	_, err = try(t, s, func(tx *store.Tx) { tx.Create(service("s4", "front")) })
	require.ErrorIs(t, err, store.ErrNameTaken)
}

func nameFreed(t *testing.T, b Backend) {
	s, other := open(t, b), open(t, b)
	got := create(t, s, service("s1", "web"))
	// Right after each other, so that the second view may not know the first.
	commit(t, other, func(tx *store.Tx) { tx.Delete(store.Get[api.Service](got, "s1")) })
	commit(t, s, func(tx *store.Tx) { tx.Create(service("s2", "web")) })
	commit(t, other, func(tx *store.Tx) { tx.Remove(api.KindService, "s2") })
	commit(t, s, func(tx *store.Tx) { tx.Create(service("s3", "web")) })
	require.Equal(t, "s3", store.First[api.Service](latest(t, s), store.ByName, "web").ID)
}

func nameSwapped(t *testing.T, b Backend) {
	s := open(t, b)
	got := create(t, s, service("s1", "one"), service("s2", "two"))
	one, two := store.Get[api.Service](got, "s1"), store.Get[api.Service](got, "s2")
	got = at(t, s, commit(t, s, func(tx *store.Tx) { tx.Update(renamed(one, "two")); tx.Update(renamed(two, "one")) }))
	require.Equal(t, "s2", store.First[api.Service](got, store.ByName, "one").ID)
	one = store.Get[api.Service](got, "s1")
	commit(t, s, func(tx *store.Tx) { tx.Create(service("s3", "two")); tx.Delete(one) })
	_, err := try(t, s, func(tx *store.Tx) { tx.Create(service("s4", "two")) })
	require.ErrorIs(t, err, store.ErrNameTaken)
	require.Equal(t, "s3", store.First[api.Service](latest(t, s), store.ByName, "two").ID)
}

func nameTwice(t *testing.T, b Backend) {
	s := open(t, b)
	_, err := try(t, s, func(tx *store.Tx) { tx.Create(service("s1", "web")); tx.Create(service("s2", "web")) })
	require.ErrorIs(t, err, store.ErrNameTaken)
	require.Zero(t, store.Count[api.Service](latest(t, s)))
}

func nameOrConflict(t *testing.T, b Backend) {
	s := open(t, b)
	create(t, s, service("s1", "web"))
	_, err := try(t, s, func(tx *store.Tx) { tx.Create(service("s1", "web")) })
	require.ErrorIs(t, err, store.ErrConflict)
	require.NotErrorIs(t, err, store.ErrNameTaken)
}

func nameRace(t *testing.T, b Backend) {
	processes := []store.Store{open(t, b), open(t, b)}
	const writers = 16
	ctx, results := patient(t), make(chan error, writers)
	for i := range writers {
		go func() { results <- update(ctx, processes[i%2], service(fmt.Sprint("s", i), "web")) }()
	}
	won := 0
	for range writers {
		if err := <-results; err == nil {
			won++
		} else {
			require.ErrorIs(t, err, store.ErrNameTaken)
		}
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, store.Count[api.Service](latest(t, processes[0])))
}

// nameStorm: one after the other gets the name, by whichever process; at no
// revision do two objects have it or none.
func nameStorm(t *testing.T, b Backend) {
	processes := []store.Store{open(t, b), open(t, b)}
	create(t, processes[0], service("s0", "web"))
	ctx, results := patient(t), make(chan error, 2)
	for who, s := range processes {
		go func() { results <- passOn(ctx, s, who) }()
	}
	for range processes {
		require.NoError(t, <-results)
	}
	got := latest(t, processes[0])
	require.Equal(t, 1, store.Count[api.Service](got))
	require.NotNil(t, store.First[api.Service](got, store.ByName, "web"))
}

// passOn replaces the name's owner by a new one, many times.
func passOn(ctx context.Context, s store.Store, who int) error {
	for i := 0; i < 25; {
		revision, err := s.Linearized(ctx)
		if err != nil {
			return err
		}
		snapshot, err := s.WaitFor(ctx, revision)
		if err != nil {
			return err
		}
		owner := store.First[api.Service](snapshot, store.ByName, "web")
		if owner == nil || store.Count[api.Service](snapshot) != 1 {
			return fmt.Errorf("at %d the name is not exactly one object's", snapshot.Revision())
		}
		var tx store.Tx
		tx.Delete(owner)
		tx.Create(service(fmt.Sprintf("s-%d-%d", who, i), "web"))
		switch _, err = s.Commit(ctx, &tx); {
		case err == nil:
			i++
		case !errors.Is(err, store.ErrConflict):
			return err
		}
	}
	return nil
}

func nameElsewhere(t *testing.T, b Backend) {
	s, other := open(t, b), open(t, b)
	create(t, s, service("s1", "a"))
	for i := range 20 {
		from := []store.Store{s, other}[i%2]
		commit(t, from, func(tx *store.Tx) { tx.Set(service("s1", []string{"a", "b"}[i%2])) })
	}
	create(t, s, service("s2", "a"))
	_, err := try(t, s, func(tx *store.Tx) { tx.Create(service("s3", "b")) })
	require.ErrorIs(t, err, store.ErrNameTaken)
}

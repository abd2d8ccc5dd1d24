package storetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var closing = map[string]func(*testing.T, Backend){
	"Close ends all that waits":                   closeEndsWaiting,
	"a closed store says that it is unavailable":  closeRefuses,
	"a context that has ended commits nothing":    endedContext,
	"closing one process does not concern others": closeOne,
}

func closeEndsWaiting(t *testing.T, b Backend) {
	s, other := open(t, b), open(t, b)
	campaign(t, other, "other")
	w := watch(t, s)
	ctx, failed := patient(t), make(chan error, 3)
	go func() {
		_, err := w.Next(ctx)
		failed <- err
	}()
	go func() {
		_, err := s.WaitFor(ctx, s.Snapshot().Revision()+1000)
		failed <- err
	}()
	go func() {
		_, err := s.Campaign(ctx, "one")
		failed <- err
	}()
	require.NoError(t, s.Close())
	for range 3 {
		require.ErrorIs(t, <-failed, store.ErrUnavailable)
	}
}

func closeRefuses(t *testing.T, b Backend) {
	s := open(t, b)
	create(t, s, task("t1"))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.NotNil(t, store.Get[api.Task](s.Snapshot(), "t1"), "the last view stays")
	_, err := try(t, s, func(tx *store.Tx) { tx.Create(task("t2")) })
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Linearized(patient(t))
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Leader(patient(t))
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Campaign(patient(t), "one")
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Watch().Next(patient(t))
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.WaitFor(patient(t), s.Snapshot().Revision())
	require.NoError(t, err)
}

func endedContext(t *testing.T, b Backend) {
	s := open(t, b)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var tx store.Tx
	tx.Create(task("t1"))
	_, err := s.Commit(ctx, &tx)
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, store.Get[api.Task](latest(t, s), "t1"))
}

func closeOne(t *testing.T, b Backend) {
	one, two := open(t, b), open(t, b)
	require.NoError(t, one.Close())
	w := watch(t, two)
	create(t, two, task("t1"))
	require.Len(t, next(t, w).Changes, 1)
}

package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var watches = map[string]func(*testing.T, Backend){
	"the first Next returns at once with no changes":       watchFirst,
	"updates tell what was and what is":                    watchChanges,
	"a slow reader gets one update with the net changes":   watchCoalesces,
	"Next returns when its context ends, and works after":  watchContext,
	"a closed watcher tells":                               watchClosed,
	"nothing is lost under concurrent writers":             watchComplete,
	"WaitFor returns when its context ends":                waitContext,
	"what no commit changed wakes nobody, others' do wake": watchOthers,
}

func watch(t *testing.T, s store.Store) store.Watcher {
	t.Helper()
	w := s.Watch()
	t.Cleanup(w.Close)
	first, err := w.Next(patient(t))
	require.NoError(t, err)
	require.Empty(t, first.Changes)
	require.NotNil(t, first.Snapshot)
	return w
}

func next(t *testing.T, w store.Watcher) store.Update {
	t.Helper()
	update, err := w.Next(patient(t))
	require.NoError(t, err)
	return update
}

func watchFirst(t *testing.T, b Backend) {
	s := open(t, b)
	watch(t, s)
	create(t, s, task("t1"))
	w := s.Watch()
	defer w.Close()
	first := next(t, w)
	require.Empty(t, first.Changes)
	require.NotNil(t, store.Get[api.Task](first.Snapshot, "t1"))
}

func watchChanges(t *testing.T, b Backend) {
	s := open(t, b)
	w := watch(t, s)
	one := create(t, s, task("t1"))
	first := store.Get[api.Task](one, "t1")
	require.Equal(t, []store.Change{{Kind: api.KindTask, ID: "t1", New: first}}, next(t, w).Changes)

	two := at(t, s, commit(t, s, func(tx *store.Tx) { tx.Update(changed(first, "second")) }))
	second := store.Get[api.Task](two, "t1")
	update := next(t, w)
	require.Equal(t, []store.Change{{Kind: api.KindTask, ID: "t1", Old: first, New: second}}, update.Changes)
	require.GreaterOrEqual(t, update.Snapshot.Revision(), two.Revision())

	at(t, s, commit(t, s, func(tx *store.Tx) { tx.Delete(second) }))
	update = next(t, w)
	require.Equal(t, []store.Change{{Kind: api.KindTask, ID: "t1", Old: second}}, update.Changes)
	require.Nil(t, store.Get[api.Task](update.Snapshot, "t1"))
}

func watchCoalesces(t *testing.T, b Backend) {
	s := open(t, b)
	first := store.Get[api.Task](create(t, s, task("t1"), task("t2")), "t1")
	w := watch(t, s)
	for i := range 10 {
		commit(t, s, func(tx *store.Tx) {
			tx.Set(changed(task("t1"), fmt.Sprint(i)))
			tx.Create(task(fmt.Sprint("passing", i)))
		})
		commit(t, s, func(tx *store.Tx) { tx.Remove(api.KindTask, fmt.Sprint("passing", i)) })
	}
	at(t, s, commit(t, s, func(tx *store.Tx) { tx.Remove(api.KindTask, "t2"); tx.Create(task("t3")) }))
	update := next(t, w)
	got := make(map[string]store.Change)
	for _, change := range update.Changes {
		require.NotContains(t, got, change.ID)
		got[change.ID] = change
	}
	require.Len(t, got, 3)
	require.Equal(t, api.Object(first), got["t1"].Old)
	require.Equal(t, "9", got["t1"].New.(*api.Task).Reason)
	require.Nil(t, got["t2"].New)
	require.Nil(t, got["t3"].Old)
}

func watchContext(t *testing.T, b Backend) {
	s := open(t, b)
	w := watch(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := w.Next(ctx)
		failed <- err
	}()
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	create(t, s, task("t1"))
	require.Len(t, next(t, w).Changes, 1)
}

func watchClosed(t *testing.T, b Backend) {
	s := open(t, b)
	w := watch(t, s)
	failed := make(chan error, 1)
	ctx := patient(t)
	go func() {
		_, err := w.Next(ctx)
		failed <- err
	}()
	w.Close()
	w.Close()
	require.ErrorIs(t, <-failed, store.ErrUnavailable)
	_, err := w.Next(ctx)
	require.ErrorIs(t, err, store.ErrUnavailable)
}

// watchComplete rebuilds the database from the changes alone, in every process,
// while many write, and compares it with the snapshots.
func watchComplete(t *testing.T, b Backend) {
	processes := []store.Store{open(t, b), open(t, b)}
	watchers := []store.Watcher{watch(t, processes[0]), watch(t, processes[0]), watch(t, processes[1])}
	const writers, rounds = 4, 50
	ctx := patient(t)
	var group sync.WaitGroup
	failures := make(chan error, writers+len(watchers))
	for who := range writers {
		group.Go(func() { failures <- churn(ctx, processes[who%2], who, rounds) })
	}
	for _, w := range watchers {
		group.Go(func() { failures <- rebuild(ctx, w, writers) })
	}
	group.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
}

// churn changes a handful of objects over and over, and leaves one as a sign.
func churn(ctx context.Context, s store.Store, who, rounds int) error {
	for i := range rounds {
		var tx store.Tx
		id := fmt.Sprintf("%d-%d", who, i%5)
		switch i % 3 {
		case 0, 1:
			tx.Set(changed(task(id), fmt.Sprint(i)))
		case 2:
			tx.Remove(api.KindTask, id)
		}
		tx.Set(service(id, fmt.Sprintf("name-%d-%d", who, i)))
		if _, err := s.Commit(ctx, &tx); err != nil {
			return err
		}
	}
	var tx store.Tx
	tx.Create(network(fmt.Sprint("done-", who), ""))
	_, err := s.Commit(ctx, &tx)
	return err
}

// rebuild follows changes until every writer has left its sign.
func rebuild(ctx context.Context, w store.Watcher, writers int) error {
	mirror := make(map[string]api.Object)
	for last := int64(0); ; {
		update, err := w.Next(ctx)
		if err != nil {
			return err
		}
		if update.Snapshot.Revision() <= last {
			return fmt.Errorf("revision %d after %d", update.Snapshot.Revision(), last)
		}
		last = update.Snapshot.Revision()
		for _, change := range update.Changes {
			key := string(change.Kind) + "/" + change.ID
			if mirror[key] != change.Old {
				return fmt.Errorf("%s at %d: the old one is not what the watcher last told", key, last)
			}
			if mirror[key] = change.New; change.New == nil {
				delete(mirror, key)
			}
		}
		if err := compare(mirror, update.Snapshot); err != nil {
			return err
		}
		if store.Count[api.Network](update.Snapshot) == writers {
			return nil
		}
	}
}

func compare(mirror map[string]api.Object, snapshot *store.Snapshot) error {
	count := store.Count[api.Task](snapshot) + store.Count[api.Service](snapshot) + store.Count[api.Network](snapshot)
	if count != len(mirror) {
		return fmt.Errorf("at %d the changes make %d objects, the snapshot has %d", snapshot.Revision(), len(mirror), count)
	}
	for task := range store.All[api.Task](snapshot) {
		if mirror["task/"+task.ID] != api.Object(task) {
			return fmt.Errorf("at %d task %s differs from the changes told", snapshot.Revision(), task.ID)
		}
	}
	return nil
}

func waitContext(t *testing.T, b Backend) {
	s := open(t, b)
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := s.WaitFor(ctx, s.Snapshot().Revision()+1000)
		failed <- err
	}()
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
}

func watchOthers(t *testing.T, b Backend) {
	s, other := open(t, b), open(t, b)
	w := watch(t, s)
	commit(t, s, func(tx *store.Tx) { tx.Remove(api.KindTask, "none") })
	commit(t, other, func(tx *store.Tx) { tx.Create(task("t1")) })
	update := next(t, w)
	require.Len(t, update.Changes, 1)
	require.Equal(t, "t1", update.Changes[0].ID)
}

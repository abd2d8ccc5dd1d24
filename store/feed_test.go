package store_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func task(id string, version int64) *api.Task {
	return &api.Task{Meta: api.Meta{ID: id, Version: version}}
}

// publish makes and publishes the next snapshot.
func publish(f *store.Feed, fill func(b *store.Builder) []store.Change) {
	b := store.NewBuilder(f.Snapshot())
	changes := fill(b)
	f.Publish(b.Snapshot(f.Snapshot().Revision()+1), changes)
}

// TestAReaderFarBehindGetsTheDifference: what a feed keeps is bounded, so a reader
// that left everything unread is told by comparing.
func TestAReaderFarBehindGetsTheDifference(t *testing.T) {
	f := store.NewFeed(store.NewSnapshot(1, task("kept", 1), task("gone", 1), task("changed", 1)))
	w := f.Watch()
	first, err := w.Next(t.Context())
	require.NoError(t, err)
	for i := range 20_000 {
		publish(f, func(b *store.Builder) []store.Change {
			next := task("changed", int64(i+2))
			return []store.Change{{Kind: api.KindTask, ID: "changed", Old: b.Put(next), New: next}}
		})
	}
	publish(f, func(b *store.Builder) []store.Change {
		next := task("new", 1)
		b.Put(next)
		return []store.Change{
			{Kind: api.KindTask, ID: "new", New: next},
			{Kind: api.KindTask, ID: "gone", Old: b.Delete(api.KindTask, "gone")},
		}
	})
	update, err := w.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, []store.Change{
		{Kind: api.KindTask, ID: "changed", Old: task("changed", 1), New: task("changed", 20_001)},
		{Kind: api.KindTask, ID: "gone", Old: task("gone", 1)},
		{Kind: api.KindTask, ID: "new", New: task("new", 1)},
	}, update.Changes)
	require.Equal(t, store.Diff(first.Snapshot, update.Snapshot), update.Changes)
}

func TestNothingNewIsNoUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := store.NewFeed(store.NewSnapshot(1))
		w := f.Watch()
		_, err := w.Next(t.Context())
		require.NoError(t, err)
		updates := make(chan store.Update, 1)
		go func() {
			update, err := w.Next(t.Context())
			if err == nil {
				updates <- update
			}
		}()
		synctest.Wait()
		publish(f, func(*store.Builder) []store.Change { return nil })
		time.Sleep(time.Hour)
		require.Empty(t, updates, "an update without a change")
		publish(f, func(b *store.Builder) []store.Change {
			b.Put(task("t1", 3))
			return []store.Change{{Kind: api.KindTask, ID: "t1", New: task("t1", 3)}}
		})
		require.Len(t, (<-updates).Changes, 1)
	})
}

func TestDiffOfEqualSnapshotsIsEmpty(t *testing.T) {
	one := store.NewSnapshot(1, task("a", 1), &api.Node{Meta: api.Meta{ID: "n", Version: 1}})
	require.Empty(t, store.Diff(one, store.NewSnapshot(9, task("a", 1), &api.Node{Meta: api.Meta{ID: "n", Version: 1}})))
	require.Len(t, store.Diff(one, store.NewSnapshot(9)), 2)
}

func TestIndexesOfManyObjects(t *testing.T) {
	b := store.NewBuilder(nil)
	for i := range 1000 {
		b.Put(&api.Task{Meta: api.Meta{ID: fmt.Sprintf("t%03d", i)}, Service: fmt.Sprint("s", i%10), Node: fmt.Sprint("n", i%7)})
	}
	s := b.Snapshot(1)
	seen := 0
	for range store.Find[api.Task](s, store.ByService, "s1") {
		seen++
	}
	require.Equal(t, 100, seen, "not those of a service whose ID begins the same")
	require.Equal(t, "t003", store.First[api.Task](s, store.ByNode, "n3").ID)
	require.Nil(t, store.First[api.Task](s, store.ByNode, "n"))
	require.Equal(t, 1000, store.Count[api.Task](s))
}

func FuzzDecode(f *testing.F) {
	for _, kind := range api.Kinds {
		value, err := store.Encode(api.NewObject(kind))
		require.NoError(f, err)
		f.Add(string(kind), value)
	}
	f.Fuzz(func(t *testing.T, kind string, value []byte) {
		object, err := store.Decode(api.Kind(kind), 7, value)
		if err != nil {
			return
		}
		require.EqualValues(t, 7, object.Header().Version)
		again, err := store.Encode(object)
		require.NoError(t, err)
		_, err = store.Decode(api.Kind(kind), 7, again)
		require.NoError(t, err)
	})
}

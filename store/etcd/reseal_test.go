package etcd_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
)

func TestKeysAreRotatedWhileOthersWrite(t *testing.T) {
	b, s := start(t)
	for i := range 30 {
		var objects []api.Object
		for j := range 40 {
			id := fmt.Sprintf("s%d-%d", i, j)
			objects = append(objects, &api.Service{Meta: api.Meta{ID: id}, Name: "name-" + id})
		}
		commit(t, s, objects...)
	}
	leadership, err := s.Campaign(patient(t), "m1")
	require.NoError(t, err)
	commit(t, leadership, task("before", "led"))

	first := b.ring.Active()
	require.NoError(t, b.ring.Use(b.ring.Add()))
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 50 {
				commit(t, s, task(fmt.Sprintf("t%d", w), fmt.Sprint(i)))
			}
		})
	}
	require.NoError(t, s.Reseal(patient(t)))
	writers.Wait()
	require.NoError(t, s.Reseal(patient(t)), "nothing is left")
	<-leadership.Done()
	require.NoError(t, b.ring.Drop(first))

	fresh := open(t, b.config(t))
	require.Equal(t, 1200, store.Count[api.Service](fresh.Snapshot()))
	require.Empty(t, store.Diff(fresh.Snapshot(), settled(t, s)))
	for w := range 4 {
		require.Equal(t, "49", store.Get[api.Task](fresh.Snapshot(), fmt.Sprintf("t%d", w)).Reason, "no write was undone")
	}
	var clash store.Tx
	clash.Set(&api.Service{Meta: api.Meta{ID: "another"}, Name: "name-s7-7"})
	_, err = fresh.Commit(patient(t), &clash)
	require.ErrorIs(t, err, store.ErrNameTaken)
	again, err := s.Campaign(patient(t), "m1")
	require.NoError(t, err)
	commit(t, again, task("after", "led again"))
	_, err = etcd.ReadFile(backup(t, b.member), b.ring)
	require.NoError(t, err, "the file opens without the old key")
}

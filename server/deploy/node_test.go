package deploy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func TestNodeNumbersAreUsedAgainOnlyWhenNoneIsLeft(t *testing.T) {
	d := NewDraft(store.NewSnapshot(1,
		&api.Node{Meta: api.Meta{ID: "a"}, Number: 1}, &api.Node{Meta: api.Meta{ID: "b"}, Number: 65535},
	), time.Unix(1, 0), api.NewID)
	number, err := d.freeNumber(7)
	require.NoError(t, err)
	require.Equal(t, uint16(8), number)
	number, err = d.freeNumber(65535)
	require.NoError(t, err)
	require.Equal(t, uint16(2), number)
}

func TestANodeThatComesWhileItIsRemovedLeavesNothingBehind(t *testing.T) {
	s := newStore(t)
	tx := &store.Tx{}
	tx.Create(&api.Node{Meta: api.Meta{ID: "n2"}, Name: "n2", Role: api.RoleWorker})
	_, err := s.Commit(t.Context(), tx)
	require.NoError(t, err)
	comes := func(attempt int) *store.Tx {
		if attempt > 0 {
			return nil
		}
		tx := &store.Tx{}
		tx.Require(store.Get[api.Node](s.Snapshot(), "n2"))
		tx.Create(&api.NodeStatus{Meta: api.Meta{ID: "n2"}, State: api.NodeReady})
		return tx
	}
	_, _, err = Commit(t.Context(), &busy{Store: s, t: t, meddle: comes}, func(d *Draft) error {
		return d.RemoveNode(store.Get[api.Node](d.Snapshot(), "n2"), true)
	})
	require.NoError(t, err)
	require.Zero(t, store.Count[api.Node](s.Snapshot()))
	require.Zero(t, store.Count[api.NodeStatus](s.Snapshot()))
}

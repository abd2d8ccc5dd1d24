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

// Others go on to ask it whether it is there, until its database is gone; if it is promoted
// before that, it is the manager that it was.
func TestWhoIsDemotedKeepsItsAddress(t *testing.T) {
	s := newStore(t)
	tx := &store.Tx{}
	tx.Create(&api.Node{Meta: api.Meta{ID: "n1"}, Name: "n1", Role: api.RoleManager, API: "10.0.0.1:6720", Member: 7, Runs: true})
	_, err := s.Commit(t.Context(), tx)
	require.NoError(t, err)
	for _, role := range []api.Role{api.RoleWorker, api.RoleManager} {
		_, _, err = Commit(t.Context(), s, func(d *Draft) error {
			return d.UpdateNode(store.Get[api.Node](d.Snapshot(), "n1"), api.NodeUpdate{Role: &role})
		})
		require.NoError(t, err)
		node := store.Get[api.Node](s.Snapshot(), "n1")
		require.Equal(t, role, node.Role)
		require.Equal(t, "10.0.0.1:6720", node.API)
		require.Zero(t, node.Member)
	}
}

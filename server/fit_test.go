package server

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

func TestADemotedManagerSendsItsNodesAway(t *testing.T) {
	s := memory.New()
	defer s.Close()
	config := Config{Store: s, Node: "m1"}
	fit := fit(config, managers.New(managers.Config{Store: s, Node: "m1"}, zap.NewNop()))
	require.NoError(t, fit(), "it is not known yet")
	write := func(change func(*store.Tx)) {
		tx := &store.Tx{}
		change(tx)
		_, err := s.Commit(t.Context(), tx)
		require.NoError(t, err)
	}
	put := func(role api.Role) {
		write(func(tx *store.Tx) { tx.Set(&api.Node{Meta: api.Meta{ID: "m1"}, Role: role}) })
	}
	put(api.RoleManager)
	require.NoError(t, fit())
	put(api.RoleWorker)
	require.Equal(t, api.CodeUnavailable, api.CodeOf(fit()), "it was demoted")
	put(api.RoleManager)
	require.NoError(t, fit())
	write(func(tx *store.Tx) { tx.Remove(api.KindNode, "m1") })
	require.Equal(t, api.CodeUnavailable, api.CodeOf(fit()), "it was removed")
}

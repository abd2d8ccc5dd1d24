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
	for _, role := range []api.Role{api.RoleManager, api.RoleWorker} {
		tx := &store.Tx{}
		tx.Set(&api.Node{Meta: api.Meta{ID: "m1"}, Role: role})
		_, err := s.Commit(t.Context(), tx)
		require.NoError(t, err)
		if role == api.RoleManager {
			require.NoError(t, fit())
			continue
		}
		require.Equal(t, api.CodeUnavailable, api.CodeOf(fit()))
	}
}

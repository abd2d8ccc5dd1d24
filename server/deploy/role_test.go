package deploy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Its keys are gone with the role: what it had done of a rotation, it must do anew.
func TestANodeWithAnotherRoleHasDoneNothingOfARotationOfKeys(t *testing.T) {
	for _, role := range []api.Role{api.RoleManager, api.RoleWorker} {
		before := &api.Node{Meta: api.Meta{ID: "n2"}, Name: "n2", Runs: true, Role: api.RoleManager, KeyStep: 3}
		if role == api.RoleManager {
			before.Role = api.RoleWorker
		}
		d := NewDraft(store.NewSnapshot(1, before, &api.Node{Meta: api.Meta{ID: "m1"}, Role: api.RoleManager}, &api.Cluster{Meta: api.Meta{ID: api.ClusterID}}), time.Unix(1, 0), api.NewID)
		after := *before
		require.NoError(t, d.changeRole(before, &after, role))
		require.Equal(t, role, after.Role)
		require.Zero(t, after.KeyStep)
	}
}

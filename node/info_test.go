package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestAWorkerWhoseAddressMayChangeTellsNone(t *testing.T) {
	for _, each := range []struct {
		role    api.Role
		follows bool
		want    string
	}{
		{api.RoleWorker, true, "invalid IP"}, // its manager sees where it comes from
		{api.RoleWorker, false, "10.0.0.9"},
		{api.RoleManager, true, "10.0.0.9"}, // it may be connected to itself
		{api.RoleManager, false, "10.0.0.9"},
	} {
		n := &process{config: Config{Role: each.role, Advertise: "10.0.0.9:6720", follows: each.follows}, identity: &identity{Role: each.role}}
		require.Equal(t, each.want, n.address().String(), "%+v", each)
	}
}

func TestAnAddressThatWasGivenIsKept(t *testing.T) {
	config := Config{Role: api.RoleWorker, DataDir: t.TempDir(), Name: "w1", Advertise: "10.0.0.9", Join: []string{"10.0.0.1"}}
	require.NoError(t, config.Validate())
	require.False(t, config.follows)
	config = Config{Role: api.RoleManager, DataDir: t.TempDir(), Name: "m1", Listen: "127.0.0.1:7000", Bootstrap: true}
	require.NoError(t, config.Validate())
	require.False(t, config.follows, "nor does one that listens at one address")
}

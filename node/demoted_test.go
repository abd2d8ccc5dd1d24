package node

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
)

func TestAWorkerThatWasPromotedAfterTheSnapshotIsAWorkerAgain(t *testing.T) {
	first := startManager(t, managerConfig(t.TempDir(), freePort(t)))
	first.waitReady(first.config.DataDir)
	token, err := first.client.Token(t.Context(), api.RoleWorker)
	require.NoError(t, err)
	dir, err := openDirectory(t.TempDir())
	require.NoError(t, err)
	config := Config{
		Role: api.RoleWorker, DataDir: dir.path, Name: "w1", Listen: freePort(t), Join: []string{first.config.Listen}, Token: token.Token,
	}
	n := newProcess(config, dir, zap.NewNop())
	require.NoError(t, n.join(t.Context()))
	file, key := saveSnapshot(t, first.client)
	role := api.RoleManager
	_, err = first.client.UpdateNode(t.Context(), "w1", api.NodeUpdate{Role: &role})
	require.NoError(t, err)
	require.ErrorIs(t, n.reconsider(t.Context()), errRoleChanged)
	require.NoError(t, dir.close())
	config.Role, config.NoAgent = api.RoleManager, true
	worker := startManager(t, config)
	worker.sees(map[string]api.ManagerState{"m1": api.ManagerLeader, "w1": api.ManagerReachable})
	require.NoError(t, worker.stop())
	require.NoError(t, first.stop())

	place := first.config
	place.Bootstrap, place.DataDir = false, t.TempDir()
	_, err = Restore(t.Context(), place, file, key)
	require.NoError(t, err)
	restored := startManager(t, place)
	restored.waitReady(place.DataDir)
	worker = worker.again(t)
	eventually(t, func() bool { return !exists(dir.file("db")) })
	credentials, err := (&directory{path: dir.path}).credentials(nil)
	require.NoError(t, err)
	require.Equal(t, string(api.RoleWorker), credentials.Peer().Role)
	require.NoError(t, worker.stop())
}

package node

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store/seal"
)

// again starts a manager that was stopped.
func (m *voter) again(t *testing.T) *voter {
	t.Helper()
	config := m.config
	config.Bootstrap, config.Join, config.Token = false, nil, ""
	return startManager(t, config)
}

// keyStep is how far a manager is with a rotation.
func (m *voter) keyStep(t *testing.T, name string) int {
	t.Helper()
	view, err := m.client.Node(t.Context(), name)
	require.NoError(t, err)
	return view.KeyStep
}

// ringOnDisk are the keys of a manager that is not locked.
func ringOnDisk(t *testing.T, dir string) *seal.Ring {
	t.Helper()
	wrap, err := seal.NodeKey(filepath.Join(dir, "ring.key"))
	require.NoError(t, err)
	ring, err := seal.Load(filepath.Join(dir, "ring"), wrap)
	require.NoError(t, err)
	return ring
}

func TestKeysAreRotatedWhenTheManagerThatIsAwayIsBack(t *testing.T) {
	all := three(t)
	_, err := all[0].client.CreateConfig(t.Context(), api.FileSpec{Name: "old", Data: []byte("hello")})
	require.NoError(t, err)
	require.NoError(t, all[2].stop())
	view, err := all[1].client.RotateKeys(t.Context())
	require.NoError(t, err)
	step := view.Keys.Step
	eventually(t, func() bool {
		return all[0].keyStep(t, "m1") == step && all[0].keyStep(t, "m2") == step
	})
	view, err = all[0].client.Cluster(t.Context())
	require.NoError(t, err)
	require.Equal(t, api.KeysSpread, view.Keys.Phase, "one could not read what is sealed with the new key")
	_, err = all[0].client.CreateConfig(t.Context(), api.FileSpec{Name: "meanwhile", Data: []byte("hello")})
	require.NoError(t, err)

	all[2] = all[2].again(t)
	for _, each := range all {
		eventually(t, func() bool {
			view, err := each.client.Cluster(t.Context())
			return err == nil && view.Keys.Phase == api.KeysSettled
		})
		require.NoError(t, each.label("rotated"))
		configs, err := each.client.Configs(t.Context())
		require.NoError(t, err)
		require.Len(t, configs, 2)
	}
	var ids [][]uint32
	for _, each := range all {
		require.NoError(t, each.stop())
		ids = append(ids, ringOnDisk(t, each.config.DataDir).IDs())
	}
	require.Len(t, ids[0], 1)
	require.Equal(t, ids[0], ids[1])
	require.Equal(t, ids[0], ids[2])
}

func TestAManagerThatWasAwayOpensWithTheKeyItKnew(t *testing.T) {
	all := three(t)
	view, err := all[0].client.Cluster(t.Context())
	require.NoError(t, err)
	view.Settings.Autolock = true
	_, err = all[0].client.UpdateCluster(t.Context(), view.Settings)
	require.NoError(t, err)
	old, err := all[1].client.UnlockKey(t.Context())
	require.NoError(t, err)
	for _, each := range all {
		eventually(t, func() bool { return wrappedBy(t, each.config.DataDir, old.Key) })
	}

	require.NoError(t, all[2].stop())
	fresh, err := all[0].client.RotateUnlockKey(t.Context())
	require.NoError(t, err)
	for _, each := range all[:2] {
		eventually(t, func() bool { return wrappedBy(t, each.config.DataDir, fresh.Key) })
	}
	third := all[2].again(t)
	dir := third.config.DataDir
	requireLocked(t, dir, third.config.Listen)
	require.ErrorContains(t, giveKey(t, dir, fresh.Key), "not the unlock key of the manager")
	require.NoError(t, giveKey(t, dir, old.Key))
	eventually(t, func() bool { return wrappedBy(t, dir, fresh.Key) })
	eventually(t, func() bool { return third.label("third") == nil })

	// One that is locked keeps the others from nothing.
	require.NoError(t, all[1].client.Lock(t.Context()))
	requireLocked(t, all[1].config.DataDir, all[1].config.Listen)
	eventually(t, func() bool { return all[0].label("meanwhile") == nil })
	require.ErrorContains(t, giveKey(t, all[1].config.DataDir, old.Key), "not the unlock key of the manager")
	require.NoError(t, giveKey(t, all[1].config.DataDir, fresh.Key))
	eventually(t, func() bool { return all[1].label("second") == nil })
}

func TestTheOthersOfAClusterThatWasForcedAreOut(t *testing.T) {
	all := three(t)
	require.NoError(t, all[0].label("before"))
	for _, each := range all {
		require.NoError(t, each.stop())
	}
	config := all[0].config
	config.Bootstrap, config.ForceNewCluster = false, true
	forced := startManager(t, config)
	forced.sees(map[string]api.ManagerState{"m1": api.ManagerLeader})
	require.NoError(t, forced.label("alone"))
	// Both of them: of the old cluster's three that would be enough.
	old := []*voter{all[1].again(t), all[2].again(t)}
	for _, each := range old {
		select {
		case <-each.done:
		case <-time.After(patience):
			t.Fatal("a manager that is out goes on")
		}
		require.ErrorContains(t, each.err, "removed from the cluster")
	}
	require.NoError(t, forced.label("still"))
	forced.sees(map[string]api.ManagerState{"m1": api.ManagerLeader})

	// Emptied, they join again, and their names are free.
	for _, name := range []string{"m2", "m3"} {
		startManager(t, forced.joining(t, name))
	}
	forced.sees(map[string]api.ManagerState{"m1": api.ManagerLeader, "m2": api.ManagerReachable, "m3": api.ManagerReachable})
	node, err := forced.client.Node(t.Context(), "m1")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"before": "1", "alone": "1", "still": "1"}, node.Labels)
}

func TestThreeManagersAreRestored(t *testing.T) {
	all := three(t)
	config := func(by *voter, name string) error {
		_, err := by.client.CreateConfig(t.Context(), api.FileSpec{Name: name, Data: []byte("hello")})
		return err
	}
	require.NoError(t, config(all[0], "kept"))
	file, key := saveSnapshot(t, all[2].client)
	require.NoError(t, config(all[1], "lost"))
	for _, each := range all {
		require.NoError(t, each.stop())
	}
	place := all[0].config
	place.Bootstrap, place.DataDir = false, t.TempDir()
	_, err := Restore(t.Context(), place, file, key)
	require.NoError(t, err)
	restored := startManager(t, place)
	restored.sees(map[string]api.ManagerState{"m1": api.ManagerLeader})
	stranger := all[1].again(t)
	for _, name := range []string{"m2", "m3"} {
		startManager(t, restored.joining(t, name))
	}
	restored.sees(map[string]api.ManagerState{"m1": api.ManagerLeader, "m2": api.ManagerReachable, "m3": api.ManagerReachable})
	configs, err := restored.client.Configs(t.Context())
	require.NoError(t, err)
	require.Len(t, configs, 1)
	require.Equal(t, "kept", configs[0].Name)
	// One that comes back as it was finds a cluster that is not its own.
	<-stranger.done
	require.ErrorContains(t, stranger.err, "removed from the cluster")
	require.NoError(t, config(restored, "after"))
}

package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// force starts a stopped manager with --force-new-cluster.
func (m *voter) force(t *testing.T) *voter {
	t.Helper()
	config := m.config
	config.Bootstrap, config.ForceNewCluster = false, true
	return startManager(t, config)
}

// forcedWhileCutOff forces the first of three managers, which cannot know that the
// others go on.
func forcedWhileCutOff(t *testing.T) ([]*voter, []*front) {
	t.Helper()
	all, fronts := threeApart(t)
	require.NoError(t, all[0].label("before"))
	require.NoError(t, all[0].stop())
	for _, each := range fronts {
		each.cut()
	}
	all[0] = all[0].force(t)
	all[0].sees(map[string]api.ManagerState{"m1": api.ManagerLeader})
	for _, each := range fronts[1:] {
		each.heal()
	}
	for _, each := range all[1:] {
		eventually(t, func() bool { return each.label("majority") == nil })
	}
	require.NoError(t, all[0].label("alone"))
	return all, fronts
}

// goOn checks that managers with a quorum have not ended.
func goOn(t *testing.T, managers ...*voter) {
	t.Helper()
	for _, each := range managers {
		select {
		case <-each.done:
			t.Fatalf("%s has ended: %v", each.config.Name, each.err)
		default:
		}
		require.NoError(t, each.label("on"))
	}
}

// warning is what a user is told beside the answer.
func (m *voter) warning(t *testing.T) string {
	t.Helper()
	var told string
	m.client.OnStale(func(why string) { told = why })
	_, err := m.client.Nodes(t.Context())
	require.NoError(t, err)
	return told
}

func TestOneThatWasForcedWhileTheOthersLiveEndsNobody(t *testing.T) {
	all, fronts := forcedWhileCutOff(t)
	fronts[0].heal()
	for _, each := range all[1:] {
		// Their databases have met by then, many times.
		eventually(t, func() bool { return strings.Contains(each.warning(t), "m1 was forced to go on alone") })
		node, err := each.client.Node(t.Context(), "m1")
		require.NoError(t, err)
		require.Equal(t, api.ManagerSplit, node.Manager)
	}
	eventually(t, func() bool { return strings.Contains(all[0].warning(t), "without managers m2, m3") })
	found, err := all[0].client.Doctor(t.Context(), "")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	goOn(t, all...)

	// Nor when they have all been down, and come back at once.
	require.NoError(t, all[1].stop())
	require.NoError(t, all[2].stop())
	all[1], all[2] = all[1].again(t), all[2].again(t)
	for _, each := range all[1:] {
		eventually(t, func() bool { return each.label("again") == nil })
	}

	// A person decides for the many.
	require.NoError(t, all[0].stop())
	eventually(t, func() bool { return all[1].client.RemoveNode(t.Context(), "m1", true) == nil })
	config := all[1].joining(t, "m1")
	config.Join, config.Listen, config.Advertise = []string{fronts[1].address()}, all[0].config.Listen, fronts[0].address()
	startManager(t, config)
	eventually(t, func() bool {
		node, err := all[2].client.Node(t.Context(), "m1")
		return err == nil && node.Manager == api.ManagerReachable
	})
}

func TestThoseWhoLivedWhileOneWasForcedComeBackBeforeTheyHaveMet(t *testing.T) {
	all, fronts := forcedWhileCutOff(t)
	forced := time.Now()
	for _, each := range all[1:] { // they have noted a quorum that is beyond doubt
		eventually(t, func() bool {
			mark, err := os.Stat(filepath.Join(each.config.DataDir, "quorum"))
			return err == nil && mark.ModTime().Sub(forced) > quorumMark/2
		})
	}
	goOn(t, all[1:]...)
	require.NoError(t, all[1].stop())
	require.NoError(t, all[2].stop())
	fronts[0].heal()
	all[1], all[2] = all[1].again(t), all[2].again(t)
	for _, each := range all[1:] {
		eventually(t, func() bool { return each.label("again") == nil })
	}
	goOn(t, all...)
}

func TestOneThatHadLostTheOthersWhenAnotherWasForcedIsOut(t *testing.T) {
	all, fronts := threeApart(t)
	require.NoError(t, all[0].stop())
	for _, each := range fronts {
		each.cut()
	}
	require.NoError(t, all[2].stop())
	eventually(t, func() bool { return all[1].label("unreachable") != nil })
	all[0] = all[0].force(t)
	all[0].sees(map[string]api.ManagerState{"m1": api.ManagerLeader})
	fronts[0].heal()
	fronts[1].heal()
	select {
	case <-all[1].done:
	case <-time.After(patience):
		t.Fatal("a manager that is out goes on")
	}
	require.ErrorContains(t, all[1].err, "removed from the cluster")
	require.NoError(t, all[0].label("alone"))
}

// An operator may lock it, long after it was forced: the others that have joined since are
// not to be left behind when it is unlocked.
func TestAManagerThatWasForcedIsNotForcedAgainWhenItIsUnlocked(t *testing.T) {
	config := managerConfig(t.TempDir(), freePort(t))
	config.Autolock = true
	first := startManager(t, config)
	first.waitReady(config.DataDir)
	key, err := first.client.UnlockKey(t.Context())
	require.NoError(t, err)
	require.NoError(t, first.stop())
	first.config.Autolock = false // it is for a new cluster
	first = first.force(t)
	requireLocked(t, config.DataDir, config.Listen)
	require.NoError(t, giveKey(t, config.DataDir, key.Key))
	first.waitReady(config.DataDir)
	second := startManager(t, first.joining(t, "m2"))
	both := map[string]api.ManagerState{"m1": api.ManagerLeader, "m2": api.ManagerReachable}
	first.sees(both)

	require.NoError(t, first.client.Lock(t.Context()))
	requireLocked(t, config.DataDir, config.Listen)
	require.NoError(t, giveKey(t, config.DataDir, key.Key))
	eventually(t, func() bool {
		select {
		case <-first.done:
			return true
		default:
			return first.label("unlocked") == nil
		}
	})
	goOn(t, first, second)
}

package node

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// voter is one of several, without an agent, and what a user on its host sees.
type voter struct {
	*running
	config Config
	client *client.Client
}

func startManager(t *testing.T, config Config) *voter {
	t.Helper()
	m := &voter{running: start(t, config), config: config}
	var err error
	m.client, err = client.New(client.Options{Host: "unix://" + filepath.Join(config.DataDir, "orc.sock")})
	require.NoError(t, err)
	t.Cleanup(m.client.Close)
	return m
}

// joining is the configuration of a manager that joins another's cluster.
func (m *voter) joining(t *testing.T, name string) Config {
	t.Helper()
	token, err := m.client.Token(t.Context(), api.RoleManager)
	require.NoError(t, err)
	return Config{
		Role: api.RoleManager, DataDir: t.TempDir(), Listen: freePort(t), Name: name, NoAgent: true,
		Join: []string{m.config.Listen}, Token: token.Token,
	}
}

// sees waits until the manager sees the others in these states, by name.
func (m *voter) sees(want map[string]api.ManagerState) {
	m.t.Helper()
	var got map[string]api.ManagerState
	require.Eventually(m.t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		nodes, err := m.client.Nodes(ctx)
		got = make(map[string]api.ManagerState)
		for _, each := range nodes {
			got[each.Name] = each.Manager
		}
		return err == nil && fmt.Sprint(got) == fmt.Sprint(want)
	}, patience, 50*time.Millisecond, "want %v, see %v", want, &got)
}

func (m *voter) label(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := m.client.UpdateNode(ctx, "m1", api.NodeUpdate{LabelsAdd: map[string]string{name: "1"}})
	return err
}

// three managers, of which the first leads.
func three(t *testing.T) []*voter {
	t.Helper()
	first := startManager(t, managerConfig(t.TempDir(), freePort(t)))
	first.waitReady(first.config.DataDir)
	all := []*voter{first, startManager(t, first.joining(t, "m2")), startManager(t, first.joining(t, "m3"))}
	for _, each := range all {
		each.sees(map[string]api.ManagerState{"m1": api.ManagerLeader, "m2": api.ManagerReachable, "m3": api.ManagerReachable})
	}
	return all
}

func TestThreeManagersGoOnWithoutOne(t *testing.T) {
	all := three(t)
	for i, each := range all {
		require.NoError(t, each.label(fmt.Sprintf("by%d", i)), "every manager takes changes")
	}
	require.NoError(t, all[0].stop())
	require.Eventually(t, func() bool { return all[1].label("later") == nil }, patience, 50*time.Millisecond)
	require.Eventually(t, func() bool {
		nodes, err := all[2].client.Nodes(t.Context())
		states := make(map[api.ManagerState]int)
		for _, each := range nodes {
			states[each.Manager]++
		}
		return err == nil && states[api.ManagerLeader] == 1 && states[api.ManagerReachable] == 1 && states[api.ManagerUnreachable] == 1
	}, patience, 50*time.Millisecond)

	// It returns.
	config := all[0].config
	config.Bootstrap = false
	again := startManager(t, config)
	again.waitReady(config.DataDir)
	require.NoError(t, again.label("again"))
	node, err := again.client.Node(t.Context(), "m1")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"by0": "1", "by1": "1", "by2": "1", "later": "1", "again": "1"}, node.Labels)
}

func TestAManagerWhoseAddressChangedComesBack(t *testing.T) {
	all := three(t)
	moved := all[2]
	require.NoError(t, moved.stop())
	moved.config.Listen = freePort(t)
	moved = moved.again(t)
	moved.waitReady(moved.config.DataDir)
	node, err := all[0].client.Node(t.Context(), "m3")
	require.NoError(t, err)
	require.Equal(t, moved.config.Listen, node.API, "the others know the new one")
	all[0].sees(map[string]api.ManagerState{"m1": api.ManagerLeader, "m2": api.ManagerReachable, "m3": api.ManagerReachable})
	// With another one gone nothing is written but through it.
	require.NoError(t, all[1].stop())
	require.Eventually(t, func() bool { return moved.label("moved") == nil }, patience, 50*time.Millisecond)
}

func TestAllManagersAtOnceComeBack(t *testing.T) {
	all := three(t)
	require.NoError(t, all[0].label("before"))
	for _, each := range all {
		require.NoError(t, each.stop())
	}
	var again []*voter
	for _, each := range all {
		again = append(again, startManager(t, each.config))
	}
	for _, each := range again {
		each.waitReady(each.config.DataDir)
		require.Eventually(t, func() bool { return each.label("after") == nil }, patience, 50*time.Millisecond)
	}
}

func TestAManagerIsRemovedUnlessItIsNeeded(t *testing.T) {
	all := three(t)
	require.NoError(t, all[2].stop())
	all[0].sees(map[string]api.ManagerState{"m1": api.ManagerLeader, "m2": api.ManagerReachable, "m3": api.ManagerUnreachable})
	err := all[0].client.RemoveNode(t.Context(), "m2", true)
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.ErrorContains(t, err, "of which 1 can be reached and 2 are needed")

	// One that is down shrinks the quorum, then another can go too.
	require.NoError(t, all[0].client.RemoveNode(t.Context(), "m3", false))
	require.NoError(t, all[1].client.RemoveNode(t.Context(), "m1", true), "the leader, by another")
	<-all[0].done
	require.ErrorContains(t, all[0].err, "removed from the cluster")
	all[1].sees(map[string]api.ManagerState{"m2": api.ManagerLeader})
	err = all[1].client.RemoveNode(t.Context(), "m2", true)
	require.ErrorContains(t, err, "last manager")

	// What was removed while it was down learns it when it starts.
	again := startManager(t, all[2].config)
	<-again.done
	require.ErrorContains(t, again.err, "removed from the cluster")
}

func TestALeaderRemovesItself(t *testing.T) {
	all := three(t)
	require.NoError(t, all[0].client.RemoveNode(t.Context(), "m1", true))
	<-all[0].done
	require.ErrorContains(t, all[0].err, "removed from the cluster")
	// Were its vote still there, m2 alone could do nothing.
	require.NoError(t, all[1].client.RemoveNode(t.Context(), "m3", true))
	<-all[2].done
	all[1].sees(map[string]api.ManagerState{"m2": api.ManagerLeader})
}

func TestAManagerThatFailedToJoinTriesAgain(t *testing.T) {
	first := startManager(t, managerConfig(t.TempDir(), freePort(t)))
	first.waitReady(first.config.DataDir)
	config := first.joining(t, "m2")
	host, port, err := net.SplitHostPort(config.Listen)
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	taken, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(number+1)))
	require.NoError(t, err)
	half := startManager(t, config)
	<-half.done
	require.ErrorContains(t, half.err, taken.Addr().String())
	first.sees(map[string]api.ManagerState{"m1": api.ManagerLeader, "m2": api.ManagerJoining})
	require.NoError(t, first.label("meanwhile"), "a learner that never came is not needed")

	require.NoError(t, taken.Close())
	again := startManager(t, config)
	again.sees(map[string]api.ManagerState{"m1": api.ManagerLeader, "m2": api.ManagerReachable})
	require.NoError(t, again.label("both"))
	require.NoError(t, first.client.RemoveNode(t.Context(), "m2", true), "nothing else is left that would be needed")
	<-again.done
	require.NoError(t, first.label("alone"))
}

package rest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// hosts makes the nodes such that they take tasks.
func (m *manager) hosts() {
	for id, session := range map[string]string{"n1id": "s1", "n2id": "s2"} {
		m.put(&api.NodeStatus{Meta: api.Meta{ID: id}, State: api.NodeReady, Session: session, Info: api.NodeInfo{Platform: api.Platform{OS: "linux", Arch: "amd64"}}})
	}
}

func TestARebalanceTellsWhatItMovesAndAsksForIt(t *testing.T) {
	m := newManager(t)
	m.hosts()
	web, even := m.create("web", 3), m.create("even", 2)
	for slot, id := range []string{"a", "b", "c"} {
		m.run(web, slot+1, "n1id", id)
	}
	m.run(even, 1, "n1id", "d")
	m.run(even, 2, "n2id", "e")

	answers, err := m.client.Rebalance(m.ctx, api.RebalanceRequest{DryRun: true})
	require.NoError(t, err)
	require.Len(t, answers, 1, "of all, those that have anything to move")
	require.Equal(t, []api.TaskMove{{
		Task: "taskc", Name: "web.3", From: "n1id", FromName: "n1", To: "n2id", ToName: "n2",
		Reason: "moves from node n1 to n2: node n1 has 3 of its tasks, node n2 has 0",
	}}, answers[0].Moves)
	require.Zero(t, store.Get[api.Service](m.store.Snapshot(), web.ID).Rebalance, "only told")

	answers, err = m.client.Rebalance(m.ctx, api.RebalanceRequest{Services: []string{"even", "web"}})
	require.NoError(t, err)
	require.Len(t, answers, 2)
	require.Contains(t, answers[0].Message, "as evenly")
	require.Zero(t, answers[0].Service.Rebalance)
	require.Equal(t, 1, answers[1].Service.Rebalance)
	require.Equal(t, 1, store.Get[api.Service](m.store.Snapshot(), web.ID).Rebalance)
}

func TestARebalanceIsRefusedWhileTasksChangeAnyway(t *testing.T) {
	m := newManager(t)
	m.hosts()
	web := m.create("web", 2)
	m.run(web, 1, "n1id", "a")
	m.run(web, 2, "n1id", "b")
	rollout := &api.Rollout{Meta: api.Meta{ID: web.ID}, From: 1, To: 1, State: api.RolloutUpdating}
	for state, word := range map[api.RolloutState]string{
		api.RolloutUpdating: "being updated", api.RolloutRebalancing: "being rebalanced", api.RolloutPaused: "update paused: why",
	} {
		after := *rollout
		after.State, after.Message = state, "update paused: why"
		m.put(&after)
		_, err := m.client.Rebalance(m.ctx, api.RebalanceRequest{Services: []string{"web"}})
		requireCode(t, api.CodeConflict, err, "web", word)
		answers, err := m.client.Rebalance(m.ctx, api.RebalanceRequest{})
		require.NoError(t, err, "the others are moved all the same")
		require.Empty(t, answers[0].Moves)
		require.Contains(t, answers[0].Message, word)
	}
	_, err := m.client.Rebalance(m.ctx, api.RebalanceRequest{Services: []string{"nope"}})
	requireCode(t, api.CodeNotFound, err, "nope")
	_, err = m.client.Rebalance(m.ctx, api.RebalanceRequest{Services: []string{"web", "web"}})
	requireCode(t, api.CodeInvalid, err, "twice")
}

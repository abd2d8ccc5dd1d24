package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestAClusterIsCompleteWhenAllNodesAreReadyAndAllManagersVote(t *testing.T) {
	node := func(name string, state api.NodeState, manager api.ManagerState) api.NodeView {
		return api.NodeView{
			Node: api.Node{Name: name}, Status: &api.NodeStatus{State: state}, Manager: manager, Leader: manager == api.ManagerLeader,
		}
	}
	lead := node("n1", api.NodeReady, api.ManagerLeader)
	vote := node("n2", api.NodeReady, api.ManagerReachable)
	work := node("n3", api.NodeReady, "")
	require.Empty(t, incomplete([]api.NodeView{lead, vote, work}, 3, 2))
	for name, nodes := range map[string][]api.NodeView{
		"a node that is away":            {lead, vote, node("n3", api.NodeDown, "")},
		"a node that is not known":       {lead, vote},
		"two leaders":                    {lead, lead, work},
		"a manager that does not vote":   {lead, node("n2", api.NodeReady, api.ManagerLearner), work},
		"a manager that became a worker": {lead, node("n2", api.NodeReady, ""), work},
		"a worker that became a manager": {lead, vote, node("n3", api.NodeReady, api.ManagerReachable)},
	} {
		require.NotEmpty(t, incomplete(nodes, 3, 2), name)
	}
}

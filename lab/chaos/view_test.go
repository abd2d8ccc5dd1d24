package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestANodeIsEvictedWhenItIsDownAndShouldNotBe(t *testing.T) {
	began := time.Now()
	node := func(state api.NodeState, seconds int) []api.NodeView {
		status := &api.NodeStatus{State: state, Since: began.Add(time.Duration(seconds) * time.Second), Message: "silent"}
		return []api.NodeView{{Node: api.Node{Name: "n1"}, Status: status}}
	}
	e := newEyes(nil, time.Second)
	heard := func(string) bool { return true }
	silent := func(string) bool { return false }
	for i, look := range []struct {
		nodes []api.NodeView
		heard func(string) bool
		want  map[string]string
	}{
		{node(api.NodeUnknown, 0), heard, map[string]string{}},
		{node(api.NodeReady, 1), heard, map[string]string{}},
		{node(api.NodeReady, 1), heard, map[string]string{}},
		{node(api.NodeDown, 2), silent, map[string]string{}},
		{node(api.NodeReady, 3), heard, map[string]string{}}, // it was down when it might be
		{node(api.NodeDown, 4), heard, map[string]string{"n1": "silent"}},
		{node(api.NodeReady, 5), heard, map[string]string{}}, // that is told already
		{node(api.NodeReady, 6), heard, map[string]string{"n1": "it is ready again since " + began.Add(6*time.Second).Format(time.TimeOnly)}},
	} {
		require.Equal(t, look.want, e.evicted(look.nodes, look.heard), "look %d", i+1)
	}
}

func TestTwoNodesAreJudgedAgainstEachOther(t *testing.T) {
	require.True(t, twoWell(map[string]bool{"n1": true, "n2": false, "n3": true}))
	require.False(t, twoWell(map[string]bool{"n1": true, "n2": false}))
}

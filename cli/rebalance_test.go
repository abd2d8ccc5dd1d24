package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestRebalanceShowsWhatMovesAndWhy(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/rebalance", []api.Rebalance{
		{Service: web(nil), Moves: []api.TaskMove{{Name: "web.3", FromName: "n1", ToName: "n2", Reason: "moves from node n1 to n2"}}},
		{Service: web(func(s *api.ServiceView) { s.Name = "db" }), Message: "its tasks stay with the data of volume data"},
	})
	out := f.ok("service", "rebalance", "--dry-run", "web", "db")
	require.Equal(t, "db: its tasks stay with the data of volume data\n"+
		"TASK    FROM   TO   WHY\nweb.3   n1     n2   moves from node n1 to n2\n", out)
	require.Equal(t, api.RebalanceRequest{Services: []string{"web", "db"}, DryRun: true}, sent[api.RebalanceRequest](f))
	require.Contains(t, f.ok("service", "rebalance", "-d"), "web.3")
	require.Equal(t, api.RebalanceRequest{}, sent[api.RebalanceRequest](f))
}

func TestRebalanceOfAnEvenClusterSaysSo(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/rebalance", []api.Rebalance{})
	require.Equal(t, "Nothing to move: every service is spread as evenly as it can be.\n", f.ok("service", "rebalance"))
}

package managers

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

func TestWhoHadAQuorumAfterItWasLeftBehindWasNotLost(t *testing.T) {
	now := time.Now()
	left := api.LeftBehind{Since: now.Add(-time.Minute)}
	for query, want := range map[string]bool{
		"?apart=0s":    true,  // it has one now
		"?apart=50s":   true,  // it lost it later
		"?apart=57s":   false, // it may not have noticed yet that it had lost it
		"?apart=1m":    false,
		"?apart=1h":    false, // it was lost
		"":             false, // it does not know
		"?apart=-1h":   false, // its clock was put back
		"?apart=never": false,
	} {
		require.Equal(t, want, outlived(httptest.NewRequest("GET", "/v1/alive"+query, nil), left, now), query)
	}
}

func TestAForcedClusterRemembersThatTheOthersWereAlive(t *testing.T) {
	m := fixture(t, &database{}, "m1")
	cluster := &api.Cluster{Meta: api.Meta{ID: api.ClusterID}}
	for _, name := range []string{"m2", "m3"} {
		cluster.LeaveBehind(&api.Node{Meta: api.Meta{ID: name}, Name: name}, time.Now().Add(-time.Hour))
	}
	m.put(t, cluster)
	ask := func(node, path string) error {
		return m.LeftBehind(httptest.NewRequest("GET", path, nil), ca.Peer{ID: node, Role: ca.RoleManager})
	}
	require.NoError(t, ask("m4", "/v1/alive?apart=0s"), "it is none of them")
	require.Equal(t, session.Removed(), ask("m2", "/v1/renew"))
	require.Equal(t, session.Removed(), ask("m2", Alive(-1)))
	require.Equal(t, session.Removed(), ask("m2", Alive(2*time.Hour)))
	worker := ca.Peer{ID: "m2", Role: ca.RoleWorker}
	require.Equal(t, session.Removed(), m.LeftBehind(httptest.NewRequest("GET", Alive(0), nil), worker), "which has no quorum")
	require.Empty(t, m.Splits())

	require.Equal(t, session.Split(), ask("m2", Alive(0)))
	require.Equal(t, session.Split(), ask("m2", Alive(2*time.Hour)), "it has been found to have been alive")
	require.Equal(t, session.Split(), ask("m2", Alive(-1)))
	require.Equal(t, session.Split(), ask("m2", "/v1/renew"))
	require.Equal(t, session.Removed(), ask("m3", Alive(2*time.Hour)))
	require.Len(t, m.Splits(), 1)
	require.Contains(t, m.Splits()[0].Message, "without manager m2, which had a quorum")
	again := New(m.config, m.log)
	require.Equal(t, session.Split(), again.LeftBehind(httptest.NewRequest("GET", "/v1/alive", nil), ca.Peer{ID: "m2", Role: ca.RoleManager}), "after a restart, too")
	require.False(t, store.Get[api.Cluster](m.config.Store.Snapshot(), api.ClusterID).LeftBehind["m2"].Alive.IsZero())
}

func TestAManagerThatSaysThatTheOthersAreOutHasSplitOff(t *testing.T) {
	m := fixture(t, &database{}, "m1", "m2")
	m2 := store.Get[api.Node](m.config.Store.Snapshot(), "m2")
	for _, step := range []struct {
		answer error
		after  time.Duration
		split  bool
	}{
		{nil, 0, false},
		{session.Removed(), 0, true},
		{errors.New("no answer"), 0, true},
		{errors.New("no answer"), splitShown, false},
		{session.Split(), 0, true},
		{nil, 0, false},
	} {
		m.mu.Lock()
		m.peers["m2"].toldSplit = m.peers["m2"].toldSplit.Add(-step.after)
		m.noteSplit(m.peers["m2"], "m2", step.answer)
		m.mu.Unlock()
		require.Equal(t, step.split, m.State(m2, "m1") == api.ManagerSplit, "%v", step.answer)
		require.Equal(t, step.split, len(m.Splits()) == 1)
	}
}

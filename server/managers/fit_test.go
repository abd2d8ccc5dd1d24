package managers

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

func three(t *testing.T) (*Managers, *database) {
	d := &database{}
	d.voter(1, "m1")
	d.voter(2, "m2")
	d.voter(3, "m3")
	return fixture(t, d, "m1", "m2", "m3"), d
}

func TestAManagerThatCanWriteNothingIsOfNoUseWhileAnotherOneIs(t *testing.T) {
	m, d := three(t)
	m1 := store.Get[api.Node](m.config.Store.Snapshot(), "m1")
	require.NoError(t, m.Fit())
	require.NoError(t, m.handOver(t.Context()))
	require.Zero(t, d.handed)

	d.full = errors.New("the disk is full")
	require.ErrorContains(t, m.Fit(), "the disk is full")
	require.Equal(t, api.CodeUnavailable, api.CodeOf(m.Fit()))
	require.False(t, m.Fits("m1"))
	require.Equal(t, api.ManagerReadOnly, m.State(m1, "m1"))
	require.True(t, m.Connected(), "it votes, and what it knows is new")
	require.Zero(t, m.Apart())
	require.True(t, m.Alive("m1"), "it counts for the quorum")

	m.peers["m2"].readOnly = "so is this one's"
	require.NoError(t, m.handOver(t.Context()))
	require.EqualValues(t, 3, d.handed, "the one that can write is to lead")
	d.handed, m.peers["m3"].gone = 0, true
	require.NoError(t, m.Fit(), "nodes would be no better off elsewhere")
	require.NoError(t, m.handOver(t.Context()))
	require.Zero(t, d.handed)
	require.Equal(t, api.ManagerReadOnly, m.State(m1, "m1"), "it is full all the same")

	d.full, m.peers["m3"].gone = nil, false
	require.NoError(t, m.Fit())
	require.Equal(t, api.ManagerLeader, m.State(m1, "m1"))
}

func TestWhoCanWriteNothingSaysSo(t *testing.T) {
	m, d := three(t)
	ask := func() (answer alive) {
		request := httptest.NewRequest("GET", "/v1/alive", nil)
		recorder := httptest.NewRecorder()
		m.ServeAlive(recorder, request.WithContext(ca.WithPeer(request.Context(), ca.Peer{ID: "m2", Role: ca.RoleManager})))
		require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
		return answer
	}
	require.Equal(t, alive{Node: "m1", Connected: true}, ask())
	d.full = errors.New("the disk is full")
	require.Equal(t, alive{Node: "m1", Connected: true, ReadOnly: "the disk is full", Unfit: true}, ask())
	m.peers["m2"].gone, m.peers["m3"].unfit = true, true
	require.Equal(t, alive{Node: "m1", Connected: true, ReadOnly: "the disk is full"}, ask(), "it keeps its nodes")
}

func TestAManagerOfWhichIsHeardThatItIsFullKeepsItsVoteAndLosesItsNodes(t *testing.T) {
	m, _ := three(t)
	m.peers["m2"].readOnly, m.peers["m2"].unfit = "no room", true
	require.True(t, m.Alive("m2"))
	require.False(t, m.Fits("m2"))
	require.True(t, m.Fits("m3"))
	require.Equal(t, []api.Finding{{
		Node: "m2", NodeName: "m2", Subject: "manager", Level: api.LevelProblem,
		Message: "it can write nothing, and other managers do its work: no room",
	}}, m.Findings())
	m.peers["m2"].gone = true
	require.Empty(t, m.Findings(), "it is known to be away")
}

func TestDatabasesThatAreNotTheSameAreSaid(t *testing.T) {
	m, d := three(t)
	require.Empty(t, m.Findings())
	d.wrong = errors.New("whose data is right?")
	require.Equal(t, []api.Finding{{NodeName: "m1", Subject: "database", Level: api.LevelProblem, Message: "whose data is right?"}}, m.Findings())
	require.NoError(t, m.Fit(), "nobody is better")
}

package managers

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// five are managers of which m1 has heard from all a moment ago, but only those answer
// that are named.
func five(t *testing.T, answer map[string]alive) (*Managers, *database) {
	d := &database{}
	names := []string{"m1", "m2", "m3", "m4", "m5"}
	for i, name := range names {
		d.voter(uint64(i+1), name)
	}
	m := fixture(t, d, names...)
	m.ping = func(ctx context.Context, address string, told *alive) error {
		given, answers := answer[address]
		if !answers {
			<-ctx.Done()
			return ctx.Err()
		}
		*told = given
		return nil
	}
	return m, d
}

func TestNobodyLeavesBecauseOthersWereThereAMomentAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, d := five(t, map[string]alive{
			"m2:6720": {Node: "m2", Connected: true},
			"m3:6720": {Node: "m3"},                  // it has no quorum
			"m4:6720": {Node: "m7", Connected: true}, // another one at its address
		})
		require.True(t, m.Alive("m3"))
		node := *store.Get[api.Node](m.config.Store.Snapshot(), "m2")
		began := time.Now()
		err := m.MayLeave(t.Context(), &node, false)
		require.Equal(t, api.CodeConflict, api.CodeOf(err))
		require.ErrorContains(t, err, "4 managers, of which 1 can be reached and 3 are needed")
		require.ErrorContains(t, err, "(m3, m4, m5)")
		require.Equal(t, presentTime, time.Since(began), "all are asked at once")

		// One who was demoted just before they died is not taken out, by nobody.
		node.Role = api.RoleWorker
		m.put(t, &node)
		require.NoError(t, m.Leave(t.Context(), &node, false))
		require.ErrorContains(t, m.keep(t.Context(), make(map[uint64]time.Time), time.Now()), "3 are needed")
		require.Empty(t, d.removed)
		require.NoError(t, m.Leave(t.Context(), &node, true))
		require.Equal(t, []uint64{2}, d.removed, "unless it is forced")
	})
}

func TestAManagerIsAskedAgainWhileItDoesNotKnowWhoLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := five(t, nil)
		asked := 0
		m.ping = func(_ context.Context, _ string, told *alive) error {
			asked++
			if asked == 1 {
				return errors.New("a connection of before")
			}
			*told = alive{Node: "m2", Connected: asked > 3}
			return nil
		}
		m2 := func(string) *api.Node { return &api.Node{Meta: api.Meta{ID: "m2"}, API: "m2:6720"} }
		require.True(t, m.present(t.Context(), []store.Member{{ID: 2, Name: "m2"}}, m2)("m2"))
		require.Equal(t, 4, asked)
	})
}

func TestALearnerThatHasJustDiedGetsNoVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, d := five(t, nil)
		d.members[1].Learner = true
		require.NoError(t, m.keep(t.Context(), make(map[uint64]time.Time), time.Now()))
		require.Empty(t, d.promoted)
	})
}

package member_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

// promote promotes a learner as soon as it has caught up.
func promote(t *testing.T, by *member.Member, id uint64) {
	t.Helper()
	require.Eventually(t, func() bool {
		err := by.Promote(patient(t), id)
		if err != nil {
			require.ErrorIs(t, err, store.ErrBehind)
		}
		return err == nil
	}, time.Minute, 50*time.Millisecond)
}

func TestALearnerServesBecomesAVoterAndLeavesForGood(t *testing.T) {
	config := membertest.Config(t)
	first := membertest.Start(t, config)
	_, err := first.Client().Put(patient(t), "/a", "1")
	require.NoError(t, err)

	second, joined := membertest.Join(t, first, config, "node2")
	got, err := second.Client().Get(patient(t), "/a")
	require.NoError(t, err, "a learner reads what is newest")
	require.Equal(t, "1", string(got.Kvs[0].Value))
	_, err = second.Client().Put(patient(t), "/a", "2")
	require.NoError(t, err, "and writes")
	members, err := second.Members(patient(t))
	require.NoError(t, err)
	require.Len(t, members, 2)
	require.Equal(t, first.Self(), second.Leader())
	for _, each := range members {
		require.Equal(t, each.ID == second.Self(), each.Learner)
	}

	promote(t, first, second.Self())
	require.ElementsMatch(t, []store.Member{
		{ID: first.Self(), Name: "node1", Address: config.Advertise}, {ID: second.Self(), Name: "node2", Address: joined.Advertise},
	}, first.Known())

	require.NoError(t, first.Remove(patient(t), second.Self()))
	require.NoError(t, first.Remove(patient(t), second.Self()), "twice")
	<-second.Done()
	require.ErrorIs(t, second.Err(), store.ErrRemoved)
	require.NoError(t, second.Stop())
	_, err = member.Start(patient(t), joined)
	require.ErrorIs(t, err, store.ErrRemoved, "it resumed although it was removed")
	_, err = first.Client().Put(patient(t), "/a", "3")
	require.NoError(t, err, "one is enough again")
}

func TestAMemberWhoseAddressChangedComesBack(t *testing.T) {
	config := membertest.Config(t)
	first := membertest.Start(t, config)
	second, _ := membertest.Join(t, first, config, "node2")
	third, joined := membertest.Join(t, first, config, "node3")
	promote(t, first, second.Self())
	promote(t, first, third.Self())
	require.True(t, member.Exists(joined.Dir))
	require.NoError(t, third.Stop())

	joined.Listen = membertest.FreeAddress(t)
	joined.Advertise, joined.Peers = joined.Listen, nil
	again := membertest.Start(t, joined)
	require.Equal(t, third.Self(), again.Self())
	members, err := first.Members(patient(t))
	require.NoError(t, err)
	for _, each := range members {
		if each.ID == again.Self() {
			require.Equal(t, joined.Advertise, each.Address)
		}
	}
	// With another one gone, nothing is written but through it.
	require.NoError(t, second.Stop())
	_, err = first.Client().Put(patient(t), "/a", "1")
	require.NoError(t, err)
}

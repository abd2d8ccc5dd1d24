package member_test

import (
	"context"
	"net"
	"path/filepath"
	"sync"
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

// It has a log by then, but may know none of the others: it would wait for them for ever.
func TestAMemberThatEndedWhileItEnteredIsNone(t *testing.T) {
	config := membertest.Config(t)
	first := membertest.Start(t, config)
	require.True(t, member.Exists(config.Dir))
	second := config
	second.Dir, second.Name, second.Listen = t.TempDir(), "node2", membertest.FreeAddress(t)
	second.Advertise = second.Listen
	second.Peers = map[string]string{"node1": config.Advertise, "node2": second.Advertise}
	added, err := first.AddLearner(patient(t), second.Advertise)
	require.NoError(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = member.Start(ended, second)
	require.ErrorIs(t, err, context.Canceled)
	logs, err := filepath.Glob(filepath.Join(second.Dir, "etcd/member/wal/*.wal"))
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	require.False(t, member.Exists(second.Dir))

	require.NoError(t, first.Remove(patient(t), added.ID))
	third, joined := membertest.Join(t, first, config, "node2")
	require.True(t, member.Exists(joined.Dir))
	require.NoError(t, third.Stop())
	require.True(t, member.Exists(joined.Dir), "it resumes")
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

// three are voters.
func three(t *testing.T, first member.Config) ([]*member.Member, []member.Config) {
	t.Helper()
	configs := []member.Config{first}
	members := []*member.Member{membertest.Start(t, first)}
	for _, name := range []string{"node2", "node3"} {
		joined, config := membertest.Join(t, members[0], first, name)
		promote(t, members[0], joined.Self())
		members, configs = append(members, joined), append(configs, config)
	}
	return members, configs
}

func TestALeaderHandsOverToWhomItIsTold(t *testing.T) {
	members, _ := three(t, membertest.Config(t))
	for _, to := range []int{2, 1, 0} {
		require.Eventually(t, func() bool {
			for _, each := range members { // of which those do nothing that do not lead
				trying, cancel := context.WithTimeout(patient(t), 2*time.Second)
				defer cancel()
				if err := each.HandOver(trying, members[to].Self()); err != nil {
					return false // it does not know yet that it is a voter
				}
			}
			return members[to].Leader() == members[to].Self()
		}, time.Minute, 10*time.Millisecond)
	}
	require.Error(t, members[0].HandOver(patient(t), 12345))
}

func TestMembersWhoseAddressesChangeTogetherComeBack(t *testing.T) {
	members, configs := three(t, membertest.Config(t))
	for _, each := range members {
		require.NoError(t, each.Stop())
	}
	// Each is still reached where it was, too: else nobody would find the others.
	var all sync.WaitGroup
	for i := range configs {
		_, port, err := net.SplitHostPort(configs[i].Listen)
		require.NoError(t, err)
		configs[i].Listen, configs[i].Advertise, configs[i].Peers = "0.0.0.0:"+port, "127.0.0.1:"+port, nil
		all.Go(func() { members[i], _ = member.Start(patient(t), configs[i]) })
	}
	all.Wait()
	want := make(map[string]string)
	for i, each := range members {
		require.NotNil(t, each, "one did not come back")
		t.Cleanup(func() { require.NoError(t, each.Stop()) })
		want[configs[i].Name] = configs[i].Advertise
	}
	require.Eventually(t, func() bool {
		for _, each := range members {
			for _, known := range each.Known() {
				if want[known.Name] != known.Address {
					return false
				}
			}
		}
		return true
	}, time.Minute, 20*time.Millisecond)
}

// A change that comes upon another which is not acted on yet is lost without a word.
func TestWhatTwoChangeAtOnceIsDone(t *testing.T) {
	config := membertest.Config(t)
	first := membertest.Start(t, config)
	for range 3 {
		learner, err := first.AddLearner(patient(t), membertest.FreeAddress(t))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var changing sync.WaitGroup
		for range 4 {
			changing.Go(func() {
				if err := first.Remove(ctx, learner.ID); err != nil {
					t.Error(err)
				}
			})
		}
		changing.Wait()
		cancel()
	}
	members, err := first.Members(patient(t))
	require.NoError(t, err)
	require.Len(t, members, 1)
}

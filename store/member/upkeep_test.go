package member_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

// The files of three members grow alike, so all would make room in the same moment.
func TestMembersTakeTurnsAtMakingRoom(t *testing.T) {
	const turn = 6 * time.Second
	member.Turns(t, turn)
	config := membertest.Config(t)
	config.Quota = 64 << 20
	members, _ := three(t, config)
	grown := func() bool {
		for _, each := range members {
			if each.Size() < config.Quota/100*83 {
				return false
			}
		}
		return true
	}
	client, count := members[0].Client(), 0
	put := func(times int) {
		for range times {
			_, err := client.Put(patient(t), fmt.Sprintf("/%03d", count), string(make([]byte, 1<<20)))
			require.NoError(t, err)
			count++
		}
	}
	for put(36); !grown(); put(1) {
		time.Sleep(1500 * time.Millisecond) // they tell their sizes a second late
	}
	_, err := client.Delete(patient(t), "/000", clientv3.WithRange(fmt.Sprintf("/%03d", count/3)))
	require.NoError(t, err)
	require.NoError(t, members[0].Forget(patient(t)))

	// Somebody always writes: what was removed is free two commits later.
	writing, stop := context.WithCancel(t.Context())
	var written sync.WaitGroup
	written.Go(func() {
		for sleep.For(writing, 200*time.Millisecond) == nil {
			_, _ = client.Put(writing, "/a", "1") // it may wait, or lose its leader
		}
	})
	defer written.Wait()
	defer stop()

	slices.SortFunc(members, func(a, b *member.Member) int { return cmp.Compare(a.Self(), b.Self()) })
	made := make(map[uint64]bool)
	for began := time.Now(); len(made) < len(members); time.Sleep(10 * time.Millisecond) {
		require.Less(t, time.Since(began), time.Minute)
		for i, each := range members {
			if made[each.Self()] || each.Size() > config.Quota/5*4 {
				continue
			}
			leading, _ := each.Leading()
			require.False(t, leading, "all wait for who leads")
			require.Equal(t, i, int(time.Now().UnixNano()/int64(turn))%len(members), "it is another one's turn")
			made[each.Self()] = true
		}
	}
}

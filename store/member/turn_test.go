package member

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/store"
)

func TestMembersMakeRoomOneAfterTheOther(t *testing.T) {
	members := []store.Member{{ID: 3}, {ID: 5}, {ID: 9}}
	last := make(map[uint64]time.Time)
	for now := time.Unix(1_700_000_000, 0); now.Before(time.Unix(1_700_000_600, 0)); now = now.Add(time.Second) {
		for _, each := range members {
			if !turn(each.ID, members, now) {
				continue
			}
			for other, when := range last {
				require.True(t, other == each.ID || now.Sub(when) > turnTime/2, "%d and %d at %s", each.ID, other, now)
			}
			last[each.ID] = now
		}
	}
	for _, each := range members {
		require.Less(t, time.Unix(1_700_000_600, 0).Sub(last[each.ID]), 3*turnTime, "each has its turn")
	}
	require.False(t, turn(7, members, time.Now()), "it is none of them any more")
	require.True(t, turn(3, members[:1], time.Unix(1_700_000_000, 0)))
	require.True(t, turn(3, members[:1], time.Unix(1_700_000_019, 0)))
}

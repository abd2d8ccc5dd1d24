package member

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheDataOfMostIsRight(t *testing.T) {
	for _, c := range []struct {
		others []uint32 // this member's own is 1
		all    int
		want   verdict
	}{
		{nil, 1, same},
		{nil, 2, unsure},
		{[]uint32{1}, 2, same},
		{[]uint32{2}, 2, divided},
		{[]uint32{1, 1}, 3, same},
		{[]uint32{1, 2}, 3, same},
		{[]uint32{2, 2}, 3, outvoted},
		{[]uint32{2, 3}, 3, divided},
		{[]uint32{2}, 3, divided}, // the third one is away
		{[]uint32{1}, 3, same},
		{nil, 3, unsure},
		{[]uint32{1}, 5, unsure},
		{[]uint32{2, 2}, 5, divided},
		{[]uint32{2, 2, 2}, 5, outvoted},
		{[]uint32{1, 1, 2, 2}, 5, same},
	} {
		others := make(map[uint64]uint32)
		for i, each := range c.others {
			others[uint64(i)] = each
		}
		require.Equal(t, c.want, judge(1, others, c.all), "%+v", c)
	}
}

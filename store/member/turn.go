package member

import (
	"slices"
	"time"

	"github.com/orc-project/orc/store"
)

// While a member defragments its file, who asks it waits. All grow alike, so they would
// do it in the same moment, and nobody could read or write anything. So each has its
// turn, by the clock and in the order of the members' IDs, which all know alike, and
// begins in the first half of it. There is no lock, which would be one more thing that
// can be lost: clocks that differ by more than half a turn make two overlap, no worse.

// turnTime is five times what the largest database takes. Tests have a shorter one.
var turnTime = 20 * time.Second

// turn says whether a member may begin now. One that is alone always may.
func turn(self uint64, members []store.Member, now time.Time) bool {
	if len(members) < 2 {
		return true
	}
	at := slices.IndexFunc(members, func(m store.Member) bool { return m.ID == self })
	passed := time.Duration(now.UnixNano() % int64(turnTime*time.Duration(len(members))))
	begin := turnTime * time.Duration(at)
	return at >= 0 && begin <= passed && passed < begin+turnTime/2
}

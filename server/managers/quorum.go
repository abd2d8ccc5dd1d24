package managers

import (
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// quorum is how many of n voters must agree.
func quorum(n int) int { return n/2 + 1 }

// voters counts the members that have a vote, and those of them that are there.
func voters(members []store.Member, alive func(name string) bool) (all, there int) {
	for _, each := range members {
		if each.Learner {
			continue
		}
		if all++; alive(each.Name) {
			there++
		}
	}
	return all, there
}

// mayGo says why a member cannot be done without, or nil. Without a learner the
// quorum is what it was.
func mayGo(members []store.Member, gone store.Member, name string, alive func(name string) bool) error {
	if gone.Learner {
		return nil
	}
	all, there := voters(members, alive)
	if all == 1 {
		return api.Conflictf("node %s is the last manager: make another one first (`orc node promote`)", name)
	}
	if alive(gone.Name) {
		there--
	}
	if all--; there < quorum(all) {
		return api.Conflictf(
			"without node %s the cluster has %d %s, of which %d can be reached and %d are needed: nothing could be changed any more; "+
				"start the managers that are down first, or remove one of those (`orc node rm`)",
			name, all, plural(all, "manager"), there, quorum(all))
	}
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

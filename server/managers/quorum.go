package managers

import (
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// quorum is how many of n voters must agree.
func quorum(n int) int { return n/2 + 1 }

// mayGo says why a member cannot be done without, or nil. Without a learner the
// quorum is what it was. called is the name of a member's node.
func mayGo(members []store.Member, gone store.Member, called func(member string) string, alive func(member string) bool) error {
	if gone.Learner {
		return nil
	}
	all, there := 0, 0
	var away []string
	for _, each := range without(members, gone.ID) {
		if each.Learner {
			continue
		}
		if all++; alive(each.Name) {
			there++
		} else {
			away = append(away, called(each.Name))
		}
	}
	switch {
	case all == 0:
		return lastManager(called(gone.Name))
	case there < quorum(all):
		return api.Conflictf(
			"without node %s the cluster has %d %s, of which %d can be reached and %d are needed: nothing could be changed any more; "+
				"start those first that do not answer (%s), or remove one of them (`orc node rm`)",
			called(gone.Name), all, plural(all, "manager"), there, quorum(all), strings.Join(away, ", "))
	}
	return nil
}

func lastManager(name string) error {
	return api.Conflictf("node %s is the last manager: make another one first (`orc node promote`)", name)
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

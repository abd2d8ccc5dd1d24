package managers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/store"
)

// members reads "a b- c* d*-": * is a learner, - is one that is away.
func members(text string) (all []store.Member, alive func(string) bool) {
	away := make(map[string]bool)
	for i, each := range strings.Fields(text) {
		name := each[:1]
		away[name] = strings.Contains(each, "-")
		all = append(all, store.Member{ID: uint64(i + 1), Name: name, Learner: strings.Contains(each, "*")})
	}
	return all, func(name string) bool { return !away[name] }
}

func TestWhoMayGo(t *testing.T) {
	for _, c := range []struct{ members, gone, refusal string }{
		{"a", "a", "the last manager"},
		{"a b", "b", ""},
		{"a b-", "b", ""},
		{"a b-", "a", "has 1 manager, of which 0 can be reached and 1 are needed: nothing could be changed any more; start those first that do not answer (B)"},
		{"a b c", "a", ""},
		{"a b c-", "c", ""},
		{"a b c-", "a", "has 2 managers, of which 1 can be reached and 2 are needed"},
		{"a b- c-", "b", "has 2 managers, of which 1 can be reached and 2 are needed"},
		{"a b c d e-", "a", ""},
		{"a b c d- e-", "d", ""},
		{"a b c d- e-", "a", "has 4 managers, of which 2 can be reached and 3 are needed: nothing could be changed any more; start those first that do not answer (D, E)"},
		{"a b*", "b", ""},
		{"a b*", "a", "the last manager"},
		{"a b- c*", "a", "has 1 manager, of which 0"},
		{"a b- c*-", "c", ""},
	} {
		all, alive := members(c.members)
		for _, each := range all {
			if each.Name != c.gone {
				continue
			}
			err := mayGo(all, each, strings.ToUpper, alive)
			if c.refusal == "" {
				require.NoError(t, err, c.members)
				continue
			}
			require.ErrorContains(t, err, c.refusal, c.members)
			require.ErrorContains(t, err, "node "+strings.ToUpper(c.gone))
		}
	}
}

package rules

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// follow does to a content what the kernel would, as strictly.
func follow(t *testing.T, sets map[string]elements, s step) {
	t.Helper()
	for name, gone := range s.gone {
		for key, data := range gone {
			require.Equal(t, data, sets[name][key], "deleted from %s", name)
			delete(sets[name], key)
		}
	}
	for name, added := range s.added {
		for key, data := range added {
			require.NotContains(t, sets[name], key, "added to %s", name)
			put(sets, name, key, data)
		}
	}
	maps.DeleteFunc(sets, func(_ string, e elements) bool { return len(e) == 0 })
}

func present(sets map[string]elements) map[string]elements {
	maps.DeleteFunc(sets, func(_ string, e elements) bool { return len(e) == 0 })
	return sets
}

// Every way to a state leads to the same rules, and chains are there exactly while
// something refers to them.
func TestStepsLeadToWhatTheStateMakes(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var s State
		p := newPlan(s)
		host, router := present(p.host().sets), present(p.router().sets)
		for range 200 {
			s = mutate(r, s)
			h, rt := p.advance(s)
			follow(t, host, h)
			follow(t, router, rt)
			whole := newPlan(s)
			require.Equal(t, present(whole.host().sets), host)
			require.Equal(t, present(whole.router().sets), router)
			require.Equal(t, whole.users, p.users)
			require.Equal(t, whole.services.at, p.services.at)
			require.Equal(t, whole.ports.at, p.ports.at)
			require.Equal(t, whole.state, p.state)

			h, rt = p.advance(s)
			require.True(t, h.empty() && rt.empty(), "the same state again")
		}
	}
}

// A change of one among many is a few elements.
func TestAStepIsAsLargeAsTheChange(t *testing.T) {
	s := crowd(10000)
	p := newPlan(s)
	address := netip.MustParseAddr("10.0.1.0")
	s.Services[address] = s.Services[address][:2]
	host, router := p.advance(s)
	require.True(t, host.empty())
	size := 0
	for _, sets := range []map[string]elements{router.gone, router.added} {
		for _, elements := range sets {
			size += len(elements)
		}
	}
	// One target goes, the class changes here, for the next one at the same place, and
	// in the map of classes.
	require.LessOrEqual(t, size, 8)
}

// Services do not get in step with each other: those with a counter have it alone.
func TestCountersAreNotShared(t *testing.T) {
	p := newPlan(crowd(10000))
	owners := make(map[class]int)
	for _, id := range references(map[string]elements{"services": p.router().sets["services"]}) {
		if class := parseClass(id); class.place < places {
			owners[class]++
		}
	}
	require.Len(t, owners, places)
	require.Equal(t, []int{1}, slices.Compact(slices.Sorted(maps.Values(owners))))
}

func TestClassesAreNumbersAndNames(t *testing.T) {
	names := make(map[string]bool)
	for _, what := range []what{service, publication} {
		for _, n := range []int{1, 2, 1000, 1<<22 + 1} {
			for _, place := range []int{0, 17, places - 1, single, random} {
				c := class{what, n, place}
				require.Equal(t, c, parseClass(c.id()))
				require.False(t, names[c.chain()], c.chain())
				names[c.chain()] = true
			}
		}
	}
}

package chaos

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at makes an operation that took from one second to another; 0 never returned.
func at(from, to int, verb Verb, old, value string) Operation {
	o := Operation{Key: "k", Verb: verb, Old: old, Value: value, Call: time.Duration(from), Return: time.Duration(to), Outcome: Done}
	if to == 0 {
		o.Return, o.Outcome = never, Unknown
	}
	return o
}

func refusedSwap(from, to int, old, value string) Operation {
	o := at(from, to, Swap, old, value)
	o.Outcome = Refused
	return o
}

func unwritten(o Operation) Operation {
	o.Outcome = Unwritten
	return o
}

func TestHistoriesThatARegisterExplains(t *testing.T) {
	for name, history := range map[string][]Operation{
		"one after the other":                 {at(1, 2, Write, "", "a"), at(3, 4, Read, "", "a")},
		"a read that overlaps a write":        {at(1, 2, Write, "", "a"), at(3, 9, Write, "", "b"), at(4, 5, Read, "", "a"), at(6, 7, Read, "", "b")},
		"a lost answer, done":                 {at(1, 2, Write, "", "a"), at(3, 0, Write, "", "b"), at(5, 6, Read, "", "b")},
		"a lost answer, not done":             {at(1, 2, Write, "", "a"), at(3, 0, Write, "", "b"), at(5, 6, Read, "", "a")},
		"a lost answer, done late":            {at(1, 2, Write, "", "a"), at(3, 0, Write, "", "b"), at(5, 6, Read, "", "a"), at(7, 8, Read, "", "b")},
		"a swap":                              {at(1, 2, Write, "", "a"), at(3, 4, Swap, "a", "b"), at(5, 6, Read, "", "b")},
		"a swap refused for another":          {at(1, 2, Write, "", "a"), at(3, 4, Swap, "a", "b"), refusedSwap(5, 6, "a", "c"), at(7, 8, Read, "", "b")},
		"a swap refused for a lost one":       {at(1, 2, Write, "", "a"), at(3, 0, Swap, "a", "b"), refusedSwap(5, 6, "a", "c"), at(7, 8, Swap, "b", "d"), at(9, 10, Read, "", "d")},
		"one that comes and goes":             {at(1, 2, Swap, absent, "a"), at(3, 4, Swap, "a", absent), at(5, 6, Read, "", absent), at(7, 8, Swap, absent, "b"), refusedSwap(9, 10, absent, "c")},
		"a lost removal":                      {at(1, 2, Swap, absent, "a"), at(3, 0, Swap, "a", absent), refusedSwap(5, 6, absent, "b"), at(7, 8, Swap, absent, "c")},
		"a write without a quorum":            {at(1, 2, Write, "", "a"), unwritten(at(3, 4, Write, "", "b")), at(5, 6, Read, "", "a")},
		"a read without a quorum":             {at(1, 2, Write, "", "a"), unwritten(at(3, 4, Read, "", "")), at(5, 6, Read, "", "a")},
		"a swap without a quorum":             {at(1, 2, Write, "", "a"), unwritten(at(3, 4, Swap, "a", "b")), at(5, 6, Swap, "a", "c")},
		"a restore":                           {at(1, 2, Write, "", "a"), at(3, 4, Save, "", ""), at(5, 6, Write, "", "b"), at(7, 8, Restore, "", ""), at(9, 10, Read, "", "a")},
		"a restore of what overlaps the save": {at(1, 2, Write, "", "a"), at(3, 6, Save, "", ""), at(4, 5, Write, "", "b"), at(7, 8, Restore, "", ""), at(9, 10, Read, "", "b")},
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, Linearizable(history, "")) })
	}
}

func TestHistoriesThatNoRegisterExplains(t *testing.T) {
	for name, history := range map[string][]Operation{
		"a lost write":                  {at(1, 2, Write, "", "a"), at(3, 4, Write, "", "b"), at(5, 6, Read, "", "a")},
		"a value of nobody":             {at(1, 2, Write, "", "a"), at(3, 4, Read, "", "x")},
		"reads that go back":            {at(1, 2, Write, "", "a"), at(3, 0, Write, "", "b"), at(4, 5, Read, "", "b"), at(6, 7, Read, "", "a")},
		"two swaps of one value":        {at(1, 2, Write, "", "a"), at(3, 4, Swap, "a", "b"), at(5, 6, Swap, "a", "c")},
		"a refused write that was done": {at(1, 2, Write, "", "a"), unwritten(at(3, 4, Write, "", "b")), at(5, 6, Read, "", "b")},
		"a refused swap that was done":  {at(1, 2, Write, "", "a"), unwritten(at(3, 4, Swap, "a", "b")), at(5, 6, Swap, "b", "c")},
		"an object that is not there":   {at(1, 2, Write, "", "a"), at(3, 4, Read, "", absent)},
		"a creation that was lost":      {at(1, 2, Swap, absent, "a"), at(3, 4, Read, "", absent)},
		"a resurrection":                {at(1, 2, Swap, absent, "a"), at(3, 4, Swap, "a", absent), at(5, 6, Read, "", absent), at(7, 8, Read, "", "a")},
		"two creations":                 {at(1, 2, Swap, absent, "a"), at(3, 4, Swap, absent, "b")},
		"a removal refused for naught":  {at(1, 2, Swap, absent, "a"), refusedSwap(3, 4, "a", absent), at(5, 6, Read, "", "a")},
		"a swap refused for naught":     {at(1, 2, Write, "", "a"), refusedSwap(3, 4, "a", "b"), at(5, 6, Read, "", "a")},
		"a restore that lost more":      {at(1, 2, Write, "", "a"), at(3, 4, Write, "", "b"), at(5, 6, Save, "", ""), at(7, 8, Restore, "", ""), at(9, 10, Read, "", "a")},
		"a restore that kept more":      {at(1, 2, Write, "", "a"), at(3, 4, Save, "", ""), at(5, 6, Write, "", "b"), at(7, 8, Restore, "", ""), at(9, 10, Read, "", "b")},
	} {
		t.Run(name, func(t *testing.T) {
			page := filepath.Join(t.TempDir(), "history.html")
			var violation *Violation
			require.ErrorAs(t, Linearizable(history, page), &violation)
			require.Equal(t, "linearizability", violation.Invariant)
			require.Contains(t, violation.Text, `"k"`, "the key is named")
			shown, err := os.ReadFile(page)
			require.NoError(t, err)
			require.Contains(t, string(shown), "<html")
		})
	}
}

func TestKeysAreCheckedApart(t *testing.T) {
	other := at(3, 4, Write, "", "b")
	other.Key = "other"
	require.NoError(t, Linearizable([]Operation{at(1, 2, Write, "", "a"), other, at(5, 6, Read, "", "a")}, ""))
}

package chaos

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsKnownOfLostAnswers(t *testing.T) {
	lost := at(3, 0, Swap, "a", "b")
	done := at(3, 9, Swap, "a", "b")
	for name, c := range map[string]struct{ history, want []Operation }{
		"a read whose answer is lost":   {[]Operation{at(1, 0, Read, "", "a")}, nil},
		"a write that nobody saw":       {[]Operation{at(1, 0, Write, "", "a")}, nil},
		"a write that was read":         {[]Operation{at(1, 0, Write, "", "a"), at(2, 5, Read, "", "a"), at(3, 4, Read, "", "a")}, []Operation{at(1, 4, Write, "", "a"), at(2, 5, Read, "", "a"), at(3, 4, Read, "", "a")}},
		"a swap that nobody saw":        {[]Operation{lost}, nil},
		"a swap that was read":          {[]Operation{lost, at(8, 9, Read, "", "b")}, []Operation{done, at(8, 9, Read, "", "b")}},
		"a swap that was swapped":       {[]Operation{lost, at(8, 9, Swap, "b", "c")}, []Operation{done, at(8, 9, Swap, "b", "c")}},
		"a swap that was in the way":    {[]Operation{lost, refusedSwap(4, 5, "a", "c")}, []Operation{lost, refusedSwap(4, 5, "a", "c")}},
		"a refusal before":              {[]Operation{lost, refusedSwap(1, 2, "a", "c")}, []Operation{refusedSwap(1, 2, "a", "c")}},
		"a refusal for something else":  {[]Operation{lost, refusedSwap(4, 5, "z", "c")}, []Operation{refusedSwap(4, 5, "z", "c")}},
		"more in the way than it takes": {[]Operation{lost, at(4, 0, Swap, "a", "x"), refusedSwap(5, 6, "a", "c")}, []Operation{lost, refusedSwap(5, 6, "a", "c")}},
		"a value that came back": {
			[]Operation{at(1, 2, Restore, "", ""), lost, at(4, 0, Swap, "a", "x"), at(5, 0, Swap, "a", "y"), refusedSwap(6, 7, "a", "c")},
			[]Operation{at(1, 2, Restore, "", ""), lost, at(4, 0, Swap, "a", "x"), refusedSwap(6, 7, "a", "c")},
		},
		"a value that is written twice": {
			[]Operation{at(1, 0, Write, "", "3"), at(1, 0, Write, "", "4"), at(2, 3, Write, "", "3"), at(4, 5, Read, "", "3")},
			[]Operation{at(1, 0, Write, "", "3"), at(2, 3, Write, "", "3"), at(4, 5, Read, "", "3")},
		},
		"a removal that nobody knows of": {
			[]Operation{at(1, 0, Swap, "a", absent), at(4, 5, Read, "", absent)},
			[]Operation{at(1, 0, Swap, "a", absent), at(4, 5, Read, "", absent)},
		},
		"a write that was in the way": {[]Operation{at(1, 0, Write, "", "b"), refusedSwap(4, 5, "a", "c")}, []Operation{at(1, 0, Write, "", "b"), refusedSwap(4, 5, "a", "c")}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, certain(c.history)) })
	}
}

func TestManyLostAnswersAreLittleWork(t *testing.T) {
	history := []Operation{at(1, 2, Write, "", "0")}
	for i := range 60 {
		from, old, next := 10*i, fmt.Sprint(i), fmt.Sprint(i+1)
		history = append(history,
			at(from+3, 0, Swap, old, "lost "+next),
			at(from+4, 0, Swap, old, next),
			refusedSwap(from+6, from+7, old, "refused "+next),
			at(from+8, from+9, Read, "", next))
	}
	require.NoError(t, Linearizable(history, ""))
}

func TestManyLostCreationsAndRemovalsAreLittleWork(t *testing.T) {
	history := []Operation{at(1, 2, Write, "", "0")}
	for i := range 60 {
		from, old, next := 10*i, fmt.Sprint(i), fmt.Sprint(i+1)
		history = append(history,
			at(from+3, 0, Swap, old, absent),
			refusedSwap(from+3, from+4, absent, "early "+next),
			at(from+4, 0, Swap, old, absent),
			at(from+5, from+6, Read, "", absent),
			at(from+6, 0, Swap, absent, "lost "+next),
			at(from+6, from+7, Swap, absent, next),
			refusedSwap(from+7, from+8, absent, "late "+next),
			at(from+8, from+9, Read, "", next))
	}
	require.NoError(t, Linearizable(history, ""))
	history = append(history, at(700, 701, Read, "", absent), at(702, 703, Read, "", "60"))
	var violation *Violation
	require.ErrorAs(t, Linearizable(history, ""), &violation)
}

func TestManyLostWritesOfFewValuesAreLittleWork(t *testing.T) {
	history := []Operation{at(1, 2, Write, "", "0")}
	for i := range 20 {
		history = append(history, at(10*i+3, 0, Write, "", fmt.Sprint(i%7)), at(10*i+4, 10*i+5, Write, "", fmt.Sprint(i%5)))
	}
	history = append(history, at(300, 301, Read, "", "4"), at(302, 303, Read, "", "4"))
	require.NoError(t, Linearizable(history, ""))
	var violation *Violation
	require.ErrorAs(t, Linearizable(append(history, at(304, 305, Read, "", "9")), ""), &violation)
}

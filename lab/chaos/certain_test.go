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

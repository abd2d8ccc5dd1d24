package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestATallyHasWhatWasAcknowledgedByManager(t *testing.T) {
	by := func(manager string, o Operation) Operation {
		o.Manager = manager
		return o
	}
	all := tally([]Operation{
		at(0, 1, Write, "", "made"),
		by("n1", at(1, 2, Write, "", "a")),
		by("n1", at(3, 4, Swap, "a", "b")),
		by("n1", at(3, 4, Read, "", "b")),
		by("n1", at(5, 0, Write, "", "c")),
		by("n2", refusedSwap(5, 6, "a", "d")),
		by("n3", at(6, 7, Read, "", "b")),
	})
	require.Equal(t, map[string]Tally{"n1": {2, 1}, "n3": {0, 1}}, all)
	require.Equal(t, "n1 2+1, n3 0+1", told(all))
}

package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatTheMachineCannotDoIsSaidAndLeftOut(t *testing.T) {
	t.Setenv("PATH", "")
	names, missing := possible()
	require.Contains(t, names, "power")
	require.NotContains(t, names, "hang")
	require.Contains(t, missing, `NOT TESTED: hang: exec: "mkfs.ext4": executable file not found in $PATH`)
	require.Len(t, faultNames(), len(names)+len(missing))
	require.Equal(t, names, Default().shape().Faults)
	require.True(t, disksOf(Default()).plain)
}

package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMinorityIsWhatAClusterCanDoWithout(t *testing.T) {
	five, workers := []string{"n1", "n2", "n3", "n4", "n5"}, []string{"n6", "n7"}
	for chosen, want := range map[string][]string{
		"n1": {"n1", "n2", "n6"},
		"n2": {"n2", "n3", "n7"},
		"n5": {"n5", "n1", "n6"},
	} {
		require.Equal(t, want, minority(five, workers, chosen))
	}
	require.Equal(t, []string{"n3"}, minority([]string{"n1", "n2", "n3"}, nil, "n3"))
	require.Equal(t, []string{"n2"}, minority([]string{"n1", "n2"}, nil, "n2"))
}

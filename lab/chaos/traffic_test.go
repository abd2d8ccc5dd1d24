package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheEndOfARoundReadsThroughAllThenWritesThroughEachAndReadsThroughAnother(t *testing.T) {
	require.Equal(t, []finalStep{
		{"n1", false}, {"n2", false},
		{"n1", true}, {"n2", false},
		{"n2", true}, {"n1", false},
	}, finalSteps([]string{"n1", "n2"}))
}

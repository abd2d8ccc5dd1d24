package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNearestNameIsTheOneThatWasMeant(t *testing.T) {
	names := []string{"create", "image", "inspect", "ls", "replicas", "rm", "update"}
	for typed, want := range map[string]string{
		"imagee": "image", "replica": "replicas", "crate": "create", "insp": "inspect", "lss": "ls", "upadte": "update",
		"": "", "x": "", "volume": "", "is": "ls",
	} {
		require.Equal(t, want, Nearest(typed, names), typed)
	}
}

package chaos

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The short run of the suite; `make chaos` is the long one.
func TestAShortRunKeepsAllPromises(t *testing.T) {
	config := short(t)
	config.Rounds = 2
	result, err := Run(t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, 2, result.Rounds)
	require.Greater(t, result.Operations, 100)
	require.Positive(t, result.Addresses, "there is something to hold the invariants against")
}

// short is the configuration for tests, which share their machine.
func short(t *testing.T) Config {
	t.Helper()
	binary := os.Getenv("ORC_BINARY")
	if binary == "" || os.Geteuid() != 0 {
		t.Skip("NOT TESTED: the fault suite needs root and a built binary: run `make test` as root (it sets ORC_BINARY and ORC_IMAGES)")
	}
	config := Default()
	config.Binary, config.Images, config.Out = binary, os.Getenv("ORC_IMAGES"), told{t}
	config.Seed = 1
	config.Converge = 30 * time.Second
	return config
}

// told is the test's log.
type told struct{ t *testing.T }

func (o told) Write(text []byte) (int, error) {
	o.t.Log(strings.TrimRight(string(text), "\n"))
	return len(text), nil
}

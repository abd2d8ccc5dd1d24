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
	require.Len(t, result.Done, config.Managers)
	for manager, done := range result.Done {
		require.Greater(t, done.Writes, 100, manager)
		require.Greater(t, done.Reads, 100, manager)
	}
	require.Greater(t, result.Judged, 10)
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
	config.Binary, config.Images, config.Out = binary, os.Getenv("ORC_IMAGES"), log{t}
	config.Seed = 1
	config.Converge = 30 * time.Second
	return config
}

// log is the test's.
type log struct{ t *testing.T }

func (o log) Write(text []byte) (int, error) {
	o.t.Log(strings.TrimRight(string(text), "\n"))
	return len(text), nil
}

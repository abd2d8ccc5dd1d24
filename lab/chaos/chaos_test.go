package chaos

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The short run of the suite, in which every fault happens; `make chaos` is the long one.
func TestAShortRunKeepsAllPromises(t *testing.T) {
	config := short(t)
	config.Each = true
	faults, missing := possible()
	for _, each := range missing {
		t.Log(each)
	}
	config.Rounds = (len(faults) + sureInRound - 1) / sureInRound
	result, err := Run(t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, config.Rounds, result.Rounds)
	for _, fault := range faults {
		require.Positive(t, result.Met[fault], fault)
	}
	// There is something to hold the promises against.
	require.Len(t, result.Done, config.Managers)
	for manager, done := range result.Done {
		require.Greater(t, done.Writes, 100*result.Rounds, manager)
		require.Greater(t, done.Reads, 100*result.Rounds, manager)
	}
	require.Greater(t, result.Judged, 5*result.Rounds)
	require.Positive(t, result.Addresses)
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
	return config
}

// log is the test's.
type log struct{ t *testing.T }

func (o log) Write(text []byte) (int, error) {
	o.t.Log(strings.TrimRight(string(text), "\n"))
	return len(text), nil
}

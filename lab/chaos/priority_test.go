package chaos

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatTheSuiteStartsGoesFirst(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a higher priority is root's to give")
	}
	require.NoError(t, goFirst())
	for range 20 { // from whichever thread
		text, err := exec.Command("nice").Output()
		require.NoError(t, err)
		require.Equal(t, "-10", strings.TrimSpace(string(text)))
	}
}

func TestContainersGoFirstUntilTheRunIsOver(t *testing.T) {
	root := t.TempDir()
	weight := filepath.Join(root, "cpu/orc/cpu.shares")
	require.NoError(t, os.MkdirAll(filepath.Dir(weight), 0o700))
	require.NoError(t, os.WriteFile(weight, nil, 0o600))
	holds := func(want string) {
		t.Helper()
		got, err := os.ReadFile(weight)
		require.NoError(t, err)
		require.Contains(t, string(got), want)
	}
	require.NoError(t, weigh(root, true))
	holds("262144")
	require.NoError(t, os.WriteFile(weight, nil, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, containersFirst(ctx, root))
	holds("1024")
	require.NoError(t, weigh(t.TempDir(), true), "there are none yet")
}

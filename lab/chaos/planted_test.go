package chaos

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api/client"
)

// tries is how often a bug may stay unseen: some show only if a write falls into a
// window of less than a second.
const tries = 5

// A suite that finds nothing might be blind: it must catch each of the bugs in
// package planted, by the faults that bring that one out.
func TestPlantedBugsAreCaught(t *testing.T) {
	config := short(t)
	if os.Getenv("ORC_PLANTED") == "" {
		t.Skip("NOT TESTED: it takes some minutes and a build of its own: run `make planted` (it sets ORC_PLANTED)")
	}
	config.Binary = buggy(t)
	config.Agents, config.Rounds, config.Report, config.Converge = 1, 1, t.TempDir(), 15*time.Second
	for _, planted := range []struct {
		bug      string
		fault    Event
		begin    func(context.Context, *Cluster) error
		violated []string
	}{
		// The leader is stopped between its plan and its commit, and until another has
		// made the same plan. Nothing else may change, or its commit meets a conflict.
		{"fence", Event{Fault: "freeze", Role: Leader, Hold: 6 * time.Second}, scaleWave, []string{"one task per slot", "one container per slot"}},
		{"gap", Event{Fault: "crash", Role: Leader, Hold: time.Second}, nil, []string{"linearizability", "convergence"}},
		{"answer", Event{Fault: "cut", Role: Worker, Hold: time.Second}, nil, []string{"linearizability"}},
		{"address", Event{Fault: "cut", Role: Worker, Hold: 4 * time.Second}, nil, []string{"one user per address"}},
	} {
		t.Run(planted.bug, func(t *testing.T) {
			config := config
			config.Out = told{t}
			file := filepath.Join(t.TempDir(), "bug")
			t.Setenv("ORC_CHAOS_BUG", file)
			config.script = &script{faults: []Event{planted.fault}, still: planted.begin != nil, begin: func(ctx context.Context, c *Cluster) error {
				err := os.WriteFile(file, []byte(planted.bug), 0o600)
				if err == nil && planted.begin != nil {
					err = planted.begin(ctx, c)
				}
				return err
			}}
			var violation *Violation
			for config.Seed = 1; violation == nil; config.Seed++ {
				require.LessOrEqual(t, config.Seed, uint64(tries), "it must be noticed")
				require.NoError(t, os.WriteFile(file, nil, 0o600)) // asleep until the faults begin
				_, err := Run(t.Context(), config)
				if !errors.As(err, &violation) {
					require.NoError(t, err)
				}
			}
			require.Contains(t, planted.violated, violation.Invariant, violation.Text)
		})
	}
}

func scaleWave(ctx context.Context, c *Cluster) error {
	return c.Ask(ctx, func(ctx context.Context, to *client.Client) error {
		_, err := to.Scale(ctx, map[string]int{wave: waveMost})
		return err
	})
}

// buggy is orc with the planted bugs in it.
func buggy(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "orc")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "bundle,chaosbugs", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	text, err := build.CombinedOutput()
	require.NoError(t, err, string(text))
	return binary
}

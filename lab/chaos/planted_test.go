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

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// A suite that finds nothing might be blind: it must catch each of the bugs in
// package planted, by a round that brings that one out.
func TestPlantedBugsAreCaught(t *testing.T) {
	config := short(t)
	if os.Getenv("ORC_PLANTED") == "" {
		t.Skip("NOT TESTED: it takes two minutes and a build of its own: run `make planted` (it sets ORC_PLANTED)")
	}
	config.Binary = buggy(t)
	config.Agents, config.Rounds, config.Report, config.Converge = 1, 1, t.TempDir(), 15*time.Second
	for name, round := range map[string]struct {
		script   func(bug) script
		violated []string
	}{
		"fence":   {lostFence, []string{"one task per slot", "one container per slot"}},
		"gap":     {missedGap, []string{"linearizability", "convergence"}},
		"answer":  {earlyAnswer, []string{"linearizability"}},
		"address": {reusedAddress, []string{"one user per address"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := config
			config.Out = log{t}
			planted := bug{name: name, file: filepath.Join(t.TempDir(), "bug")}
			t.Setenv("ORC_CHAOS_BUG", planted.file)
			script := round.script(planted)
			config.script = &script
			_, err := Run(t.Context(), config)
			var violation *Violation
			require.ErrorAs(t, err, &violation, "it must be noticed")
			require.Contains(t, round.violated, violation.Invariant, violation.Text)
		})
	}
}

// bug is a planted one, which sleeps until wake.
type bug struct{ name, file string }

func (b bug) wake(context.Context, *round) error {
	return os.WriteFile(b.file, []byte(b.name), 0o600)
}

// holds waits until the bug holds somebody.
func (b bug) holds(ctx context.Context, n *round) error {
	return again(ctx, n.cluster.pace, time.Minute, func() error {
		_, err := os.Stat(b.file + ".held")
		return err
	})
}

// release lets go on whom the bug holds.
func (b bug) release() error { return os.WriteFile(b.file, []byte(b.name+" go"), 0o600) }

// lostFence stops the leader between its plan and its commit until another one has
// made the same plan. Nothing else may change, or the commit meets a conflict.
func lostFence(planted bug) script {
	return script{
		quiet: true, still: true,
		faults: []Event{{Fault: "freeze", Role: Leader, Hold: 6 * time.Second}},
		begin: func(ctx context.Context, n *round) error {
			return errors.Join(planted.wake(ctx, n), scaleWave(ctx, n), planted.holds(ctx, n))
		},
		end: func(ctx context.Context, n *round) error {
			return errors.Join(again(ctx, n.cluster.pace, time.Minute, func() error { return n.cluster.Ask(ctx, waveIsPlanned) }), planted.release())
		},
	}
}

// missedGap lets a manager miss the only writes that there are.
func missedGap(planted bug) script {
	return script{
		quiet: true, still: true,
		faults: []Event{{Fault: "crash", Role: Leader, Hold: time.Second}},
		begin:  planted.wake,
		end: func(ctx context.Context, n *round) error {
			if err := planted.holds(ctx, n); err != nil {
				return err
			}
			return errors.Join(again(ctx, n.cluster.pace, time.Minute, func() error { return n.writeElsewhere(ctx) }), planted.release())
		},
	}
}

// earlyAnswer needs nothing but clients.
func earlyAnswer(planted bug) script { return script{still: true, begin: planted.wake} }

// reusedAddress needs a task beside those that a node has.
func reusedAddress(planted bug) script {
	return script{still: true, begin: func(ctx context.Context, n *round) error {
		return errors.Join(planted.wake(ctx, n), scaleWave(ctx, n))
	}}
}

func scaleWave(ctx context.Context, n *round) error {
	return n.cluster.Ask(ctx, func(ctx context.Context, to *client.Client) error {
		_, err := to.Scale(ctx, map[string]int{wave: waveMost})
		return err
	})
}

// waveIsPlanned fails while there are fewer tasks than scaleWave asked for.
func waveIsPlanned(ctx context.Context, to *client.Client) error {
	tasks, err := to.Tasks(ctx, client.TaskQuery{})
	count := 0
	for _, task := range tasks {
		if task.ServiceName == wave && task.Desired == api.DesiredRun {
			count++
		}
	}
	if err == nil && count < waveMost {
		err = errors.New("the wave is not planned yet")
	}
	return err
}

// writeElsewhere writes all configs through a manager that had no fault.
func (n *round) writeElsewhere(ctx context.Context) error {
	for _, manager := range n.cluster.Managers() {
		if since, well := n.cluster.health.since(manager.Name()); !well || since != 0 {
			continue
		}
		for _, key := range n.traffic.registers[0].Keys() {
			if err := n.traffic.set(ctx, 1, manager.Name(), n.traffic.registers[0], key); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("no manager is well")
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

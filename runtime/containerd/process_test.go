package containerd

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// another is a process that does nothing until the test ends or kill is called.
func another(t *testing.T) (p process, kill func()) {
	t.Helper()
	command := exec.Command("sleep", "3600")
	require.NoError(t, command.Start())
	kill = func() {
		command.Process.Kill()
		command.Wait()
	}
	t.Cleanup(kill)
	started, err := startTime(command.Process.Pid)
	require.NoError(t, err)
	program, err := os.Readlink("/proc/" + strconv.Itoa(command.Process.Pid) + "/exe")
	require.NoError(t, err)
	return process{Pid: command.Process.Pid, Started: started, Program: program}, kill
}

var waits = map[string]func(process, context.Context) error{"by its handle": process.wait, "looking": process.watch}

func TestAProcessIsWaitedForToItsEnd(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			p, kill := another(t)
			ended := make(chan error, 1)
			go func() { ended <- wait(p, t.Context()) }()
			kill()
			require.NoError(t, <-ended)
			require.NoError(t, wait(p, t.Context()), "there is nothing to wait for")
		})
	}
}

func TestTheWaitForAProcessEndsWithItsContext(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			p, _ := another(t)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- wait(p, ctx) }()
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled, "the process has not ended")
			require.True(t, p.alive())
		})
	}
}

func TestAnotherProcessOfTheSameNumberIsNotWaitedFor(t *testing.T) {
	p, _ := another(t)
	p.Started--
	require.NoError(t, p.wait(t.Context()))
}

// TestWaitingForAProcessTakesNoThread sees that the runtime's poller has the handle:
// else the wait would be a loop that looks.
func TestWaitingForAProcessTakesNoThread(t *testing.T) {
	p, _ := another(t)
	handle, err := openProcess(p.Pid)
	require.NoError(t, err)
	defer handle.Close()
	require.NoError(t, handle.SetReadDeadline(time.Time{}), "only what is polled has deadlines")
}

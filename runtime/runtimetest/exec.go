package runtimetest

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/runtime"
)

// running starts a container that is ready to be asked things.
func (s *suite) running(t *testing.T) string {
	t.Helper()
	spec := s.spec(t)
	stdout, _ := s.start(t, spec)
	stdout.until("ready")
	return spec.ID
}

func (s *suite) testExec(t *testing.T) {
	id := s.running(t)
	var stdout, stderr bytes.Buffer
	code, err := s.Runtime.Exec(t.Context(), id, runtime.Exec{
		Args: []string{Program, "cat"}, Stdin: strings.NewReader("through and through"), Stdout: &stdout, Stderr: &stderr,
	})
	require.NoError(t, err)
	require.Zero(t, code)
	require.Equal(t, "through and through", stdout.String())
	require.Empty(t, stderr.String())

	code, err = s.Runtime.Exec(t.Context(), id, runtime.Exec{Args: []string{Program, "exit", "42"}})
	require.NoError(t, err)
	require.Equal(t, 42, code)

	stdout.Reset()
	code, err = s.Runtime.Exec(t.Context(), id, runtime.Exec{
		Args: []string{Program, "say", "one", "two"}, Stdout: &stdout, Stderr: &stderr,
	})
	require.NoError(t, err)
	require.Zero(t, code)
	require.Equal(t, "one\n", stdout.String())
	require.Equal(t, "two\n", stderr.String())

	stdout.Reset()
	_, err = s.Runtime.Exec(t.Context(), id, runtime.Exec{Args: []string{Program, "env"}, Env: []string{"EXTRA=1"}, Stdout: &stdout})
	require.NoError(t, err)
	require.Contains(t, stdout.String(), "EXTRA=1")
	require.Contains(t, stdout.String(), "FROM=image")

	stdout.Reset() // more than any pipe holds, and the end of it
	_, err = s.Runtime.Exec(t.Context(), id, runtime.Exec{Args: []string{Program, "lines", "20000"}, Stdout: &stdout})
	require.NoError(t, err)
	require.Equal(t, 20000, bytes.Count(stdout.Bytes(), []byte("\n")))
	require.True(t, strings.HasSuffix(stdout.String(), "line 19999\n"))
}

func (s *suite) testExecErrors(t *testing.T) {
	_, err := s.Runtime.Exec(t.Context(), "nobody", runtime.Exec{Args: []string{Program, "env"}})
	require.ErrorIs(t, err, runtime.ErrNotFound)

	id := s.running(t)
	code, err := s.Runtime.Exec(t.Context(), id, runtime.Exec{Args: []string{"no-such-command"}})
	require.ErrorIs(t, err, runtime.ErrRejected)
	require.ErrorContains(t, err, "no-such-command")
	require.NotContains(t, err.Error(), "\n")
	require.Equal(t, 127, code)

	require.NoError(t, s.Runtime.Signal(t.Context(), id, "KILL"))
	s.ended(t, id)
	_, err = s.Runtime.Exec(t.Context(), id, runtime.Exec{Args: []string{Program, "env"}})
	require.ErrorIs(t, err, runtime.ErrNotRunning)
}

func (s *suite) testExecCancel(t *testing.T) {
	id := s.running(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &notice{word: "ready", seen: cancel}
	_, err := s.Runtime.Exec(ctx, id, runtime.Exec{Args: []string{Program, "deaf"}, Stdout: out})
	require.ErrorIs(t, err, context.Canceled)
}

// notice calls seen when the word was written.
type notice struct {
	text strings.Builder
	word string
	seen func()
}

func (n *notice) Write(data []byte) (int, error) {
	n.text.Write(data)
	if strings.Contains(n.text.String(), n.word) {
		n.seen()
	}
	return len(data), nil
}

func (s *suite) testStats(t *testing.T) {
	id := s.running(t)
	stats, err := s.Runtime.Stats(t.Context(), id)
	require.NoError(t, err)
	require.Positive(t, stats.Pids)
	require.False(t, stats.Time.IsZero())
	require.NoError(t, s.Runtime.Signal(t.Context(), id, "KILL"))
	s.ended(t, id)
	_, err = s.Runtime.Stats(t.Context(), id)
	require.ErrorIs(t, err, runtime.ErrNotRunning)
}

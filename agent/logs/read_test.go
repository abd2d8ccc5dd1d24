package logs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func (s *Store) write(t testing.TB, g segment, content []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(s.path("task"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(s.path("task"), g.name()), content, 0o600))
}

func TestOnlyTheLogsOfKeptContainersStay(t *testing.T) {
	s := newStore(t, t.TempDir())
	require.NoError(t, s.Keep("task", nil), "there is nothing yet")
	for attempt, container := range []string{"one", "two", "three"} {
		s.write(t, segment{attempt, container, 0}, appendLine(nil, time.Now(), []byte(container), 'o', false))
	}
	require.NoError(t, s.Keep("task", []string{"three", "two"}))
	require.Equal(t, []string{"two", "three"}, read(t, s, Query{Task: "task", Tail: -1}))
}

func TestATornLineDoesNotSpoilTheNext(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	s.write(t, segment{1, "one", 4}, append(appendLine(nil, time.Now(), []byte("whole"), 'o', false), "17 o"...))
	captured := capture(t, s, c.source)
	c.print(t, "next\n")
	captured.Close()
	require.Equal(t, []string{"whole", "next"}, read(t, s, Query{Task: "task", Tail: -1}))
}

func TestAFullDiskLosesLinesAndBlocksNobody(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	captured := capture(t, s, c.source)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	captured.mu.Lock()
	kept := captured.file
	captured.file = full
	captured.mu.Unlock()
	for range 1000 { // more than a pipe holds
		c.print(t, string(bytes.Repeat([]byte{'x'}, 199))+"\n")
	}
	waitFor(t, func() bool {
		captured.mu.Lock()
		defer captured.mu.Unlock()
		return captured.lost == 1000
	})
	captured.mu.Lock()
	captured.file = kept
	captured.mu.Unlock()
	require.NoError(t, full.Close())
	c.print(t, "there is room again\n")
	captured.Close()
	require.Equal(t, []string{"there is room again"}, read(t, s, Query{Task: "task", Tail: -1}))
}

// FuzzRead reads whatever a crash or a bad disk may leave.
func FuzzRead(f *testing.F) {
	line := appendLine(nil, time.Unix(17, 0), []byte("hello"), 'o', false)
	f.Add(line, line, 1)
	f.Add([]byte("17 o F torn"), []byte("\n\n17 e P \n"), -1)
	f.Add(bytes.Repeat([]byte{'x'}, 3*MaxLine), line, 0)
	f.Fuzz(func(t *testing.T, first, second []byte, tail int) {
		s := New(t.TempDir(), nil)
		s.write(t, segment{1, "one", 0}, first)
		s.write(t, segment{2, "two", 0}, second)
		count := func(tail int) (count int) {
			require.NoError(t, s.Read(t.Context(), Query{Task: "task", Tail: tail}, func(line api.LogLine) error {
				require.NotContains(t, line.Text, "\n")
				require.Contains(t, []string{"one", "two"}, line.Container)
				count++
				return nil
			}))
			return count
		}
		all := count(-1)
		if tail < 0 {
			tail = -1
			require.Equal(t, all, count(tail))
			return
		}
		require.Equal(t, min(all, tail), count(tail))
	})
}

func FuzzParseSegment(f *testing.F) {
	f.Add(segment{1, "abc", 2}.name())
	f.Fuzz(func(t *testing.T, name string) {
		if g, ok := parseSegment(name); ok {
			again, ok := parseSegment(g.name())
			require.True(t, ok || g.attempt < 0 || g.number < 0)
			if ok {
				require.Equal(t, g, again)
			}
		}
	})
}

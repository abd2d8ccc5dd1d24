package logs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// container is what a shim does: it holds the FIFOs' ends and writes.
type container struct {
	source         Source
	stdout, stderr *os.File
}

func newContainer(t *testing.T, dir, task, id string, attempt int) *container {
	t.Helper()
	c := &container{source: Source{
		Task: task, Container: id, Attempt: attempt, MaxSize: 1 << 20, MaxFiles: 3,
		Stdout: filepath.Join(dir, id+".out"), Stderr: filepath.Join(dir, id+".err"),
	}}
	for _, end := range []struct {
		path string
		file **os.File
	}{{c.source.Stdout, &c.stdout}, {c.source.Stderr, &c.stderr}} {
		require.NoError(t, unix.Mkfifo(end.path, 0o600))
		file, err := os.OpenFile(end.path, os.O_RDWR, 0)
		require.NoError(t, err)
		t.Cleanup(func() { file.Close() })
		*end.file = file
	}
	return c
}

func (c *container) print(t *testing.T, text string) {
	t.Helper()
	_, err := c.stdout.WriteString(text)
	require.NoError(t, err)
}

func newStore(t *testing.T, dir string) *Store {
	t.Helper()
	s := New(filepath.Join(dir, "logs"), zap.NewNop())
	t.Cleanup(s.Close)
	return s
}

func capture(t *testing.T, s *Store, source Source) *Capture {
	t.Helper()
	c, err := s.Capture(source)
	require.NoError(t, err)
	return c
}

func read(t *testing.T, s *Store, query Query) []string {
	t.Helper()
	var texts []string
	require.NoError(t, s.Read(t.Context(), query, func(line api.LogLine) error {
		texts = append(texts, line.Text)
		return nil
	}))
	return texts
}

func TestAContainerMaySayMuchBeforeItWaitsForABusyAgent(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	capture := capture(t, s, c.source)
	capture.mu.Lock() // it cannot write
	defer capture.mu.Unlock()
	output, err := os.OpenFile(c.source.Stdout, os.O_WRONLY|unix.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer output.Close()
	require.NoError(t, output.SetWriteDeadline(time.Now().Add(time.Minute)))
	line := strings.Repeat("x", 99) + "\n"
	for range pipeSize / 2 / len(line) { // pages are not filled to their ends
		_, err := output.WriteString(line)
		require.NoError(t, err)
	}
}

func TestLinesAreKeptWithTimeAndStream(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	captured := capture(t, s, c.source)
	before := time.Now()
	c.print(t, "hello\r\n")
	_, err := c.stderr.WriteString("trouble\nunended")
	require.NoError(t, err)
	captured.Close()

	var lines []api.LogLine
	require.NoError(t, s.Read(t.Context(), Query{Task: "task", Tail: -1}, func(line api.LogLine) error {
		lines = append(lines, line)
		return nil
	}))
	byText := make(map[string]api.LogLine)
	for _, line := range lines {
		require.WithinRange(t, line.Time, before.Add(-time.Second), time.Now())
		byText[line.Text] = line
	}
	require.Equal(t, "stdout", byText["hello"].Stream)
	require.Equal(t, "stderr", byText["trouble"].Stream)
	require.True(t, byText["unended"].Partial)
}

func TestNothingIsLostWhenTheReaderComesAgain(t *testing.T) {
	dir := t.TempDir()
	c := newContainer(t, dir, "task", "one", 1)
	first := New(filepath.Join(dir, "logs"), zap.NewNop())
	capture(t, first, c.source)
	c.print(t, "1\n2\n")
	first.Close()
	c.print(t, "3\n4\n") // while nobody reads
	second := newStore(t, dir)
	captured := capture(t, second, c.source)
	c.print(t, "5\n")
	captured.Close()
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, read(t, second, Query{Task: "task", Tail: -1}))
}

func TestLongLinesAreKeptInPieces(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	captured := capture(t, s, c.source)
	long := strings.Repeat("x", 2*MaxLine+5)
	c.print(t, long+"\nshort\n")
	captured.Close()
	texts := read(t, s, Query{Task: "task", Tail: -1})
	require.Equal(t, "short", texts[len(texts)-1])
	require.Equal(t, long, strings.Join(texts[:len(texts)-1], ""))
}

func TestRotationKeepsTheNewest(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	c.source.MaxSize, c.source.MaxFiles = 1000, 2
	captured := capture(t, s, c.source)
	for i := range 500 {
		c.print(t, fmt.Sprintf("line %d\n", i))
		if i%7 == 0 { // let the reader take some at a time
			waitFor(t, func() bool {
				return len(read(t, s, Query{Task: "task", Tail: 1})) == 1 && read(t, s, Query{Task: "task", Tail: 1})[0] == fmt.Sprintf("line %d", i)
			})
		}
	}
	captured.Close()
	segments, err := s.segments("task")
	require.NoError(t, err)
	require.Len(t, segments, 2)
	texts := read(t, s, Query{Task: "task", Tail: -1})
	require.Equal(t, "line 499", texts[len(texts)-1])
	require.Less(t, len(texts), 200)
	require.Len(t, read(t, s, Query{Task: "task", Tail: 40}), 40)
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, time.Millisecond)
}

func TestTailSinceAndUntil(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	require.NoError(t, os.MkdirAll(s.path("task"), 0o700))
	at := time.Unix(1000, 0)
	for i, container := range []string{"one", "two"} {
		var content []byte
		for j := range 3 {
			content = appendLine(content, at.Add(time.Duration(3*i+j)*time.Second), fmt.Appendf(nil, "%d", 3*i+j), 'o', false)
		}
		g := segment{i, container, 0}
		require.NoError(t, os.WriteFile(filepath.Join(s.path("task"), g.name()), append(content, "torn"...), 0o600))
	}
	for name, test := range map[string]struct {
		query Query
		want  []string
	}{
		"all":       {Query{Tail: -1}, []string{"0", "1", "2", "3", "4", "5"}},
		"none":      {Query{Tail: 0}, nil},
		"four":      {Query{Tail: 4}, []string{"2", "3", "4", "5"}},
		"many":      {Query{Tail: 100}, []string{"0", "1", "2", "3", "4", "5"}},
		"since":     {Query{Tail: -1, Since: at.Add(4 * time.Second)}, []string{"4", "5"}},
		"until":     {Query{Tail: -1, Until: at.Add(time.Second)}, []string{"0", "1"}},
		"container": {Query{Tail: -1, Container: "two"}, []string{"3", "4", "5"}},
		"unknown":   {Query{Tail: -1, Container: "three"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			test.query.Task = "task"
			require.Equal(t, test.want, read(t, s, test.query))
		})
	}
	require.Empty(t, read(t, s, Query{Task: "other", Tail: -1}))
}

func TestFollowGoesOnOverRotationAndTheNextContainer(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	c.source.MaxSize = 300
	captured := capture(t, s, c.source)
	lines := make(chan string, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Read(ctx, Query{Task: "task", Tail: -1, Follow: true}, func(line api.LogLine) error {
			lines <- line.Text
			return nil
		})
	}()
	for i := range 50 {
		c.print(t, fmt.Sprintln(i))
		require.Equal(t, fmt.Sprint(i), <-lines)
	}
	captured.Close()
	next := newContainer(t, dir, "task", "two", 2)
	capture(t, s, next.source)
	next.print(t, "again\n")
	require.Equal(t, "again", <-lines)
	cancel()
	require.NoError(t, <-done)
}

func TestRemoveEndsFollowersAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	capture(t, s, c.source)
	c.print(t, "x\n")
	got := make(chan string, 1)
	done := make(chan error, 1)
	go func() {
		done <- s.Read(t.Context(), Query{Task: "task", Tail: -1, Follow: true}, func(line api.LogLine) error {
			got <- line.Text
			return nil
		})
	}()
	require.Equal(t, "x", <-got)
	require.NoError(t, s.Remove("task"))
	require.NoError(t, <-done)
	require.NoDirExists(t, s.path("task"))
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte("17 o F hello"))
	f.Fuzz(func(t *testing.T, data []byte) {
		line, ok := parseLine(data)
		if !ok {
			return
		}
		written := appendLine(nil, line.Time, []byte(line.Text), map[string]byte{"stdout": 'o', "stderr": 'e'}[line.Stream], line.Partial)
		again, ok := parseLine(written[:len(written)-1])
		require.True(t, ok)
		require.Equal(t, strings.TrimSuffix(line.Text, "\r"), again.Text)
		require.True(t, line.Time.Equal(again.Time))
	})
}

func TestAContainerIsReadEvenIfNothingCanBeWritten(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	blocked := filepath.Join(s.path("task"), segment{1, "one", 0}.name())
	require.NoError(t, os.MkdirAll(blocked, 0o700)) // no file can be made there
	captured := capture(t, s, c.source)
	c.print(t, strings.Repeat(strings.Repeat("x", 1023)+"\n", 200)) // more than the FIFO holds
	waitFor(t, func() bool {
		captured.mu.Lock()
		defer captured.mu.Unlock()
		return captured.lost == 200
	})
	require.NoError(t, os.Remove(blocked))
	c.print(t, "kept again\n")
	captured.Close()
	require.Equal(t, []string{"kept again"}, read(t, s, Query{Task: "task", Tail: -1}))
}

func TestRotationDoesWithoutTheOldest(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	c := newContainer(t, dir, "task", "one", 1)
	c.source.MaxSize, c.source.MaxFiles = 10, 1
	captured := capture(t, s, c.source)
	c.print(t, "first\n")
	waitFor(t, func() bool { return len(read(t, s, Query{Task: "task", Tail: -1})) == 1 })
	require.NoError(t, os.Remove(filepath.Join(s.path("task"), segment{1, "one", 0}.name())))
	c.print(t, "second\n")
	captured.Close()
	require.Equal(t, []string{"second"}, read(t, s, Query{Task: "task", Tail: -1}))
}

func TestOnlyLinesOfTheFirstSegmentAreSkipped(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	require.NoError(t, os.MkdirAll(s.path("task"), 0o700))
	kept := segment{1, "one", 1}
	require.NoError(t, os.WriteFile(filepath.Join(s.path("task"), kept.name()), appendLine(nil, time.Now(), []byte("x"), 'o', false), 0o600))
	var got []string
	r := &reader{store: s, query: Query{Task: "task", Tail: 5}, skip: 3, yield: func(line api.LogLine) error {
		got = append(got, line.Text)
		return nil
	}}
	defer r.close()
	for _, g := range []segment{{1, "one", 0}, kept} { // the first was rotated away
		require.NoError(t, r.open(g))
		require.NoError(t, r.drain())
	}
	require.Equal(t, []string{"x"}, got)
}

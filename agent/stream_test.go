package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/fake"
)

// asker is the manager's end of a stream.
type asker struct {
	t      *testing.T
	stream net.Conn
	done   chan error // what Handle returned
}

func ask(t *testing.T, a *Agent, open wire.Open) *asker {
	mine, theirs := net.Pipe()
	q := &asker{t: t, stream: mine, done: make(chan error, 1)}
	go func() {
		err := a.Handle(context.WithoutCancel(t.Context()), open, theirs)
		theirs.Close()
		q.done <- err
	}()
	t.Cleanup(func() { mine.Close() })
	return q
}

func (q *asker) send(channel wire.Channel, payload string) {
	q.t.Helper()
	require.NoError(q.t, wire.WriteFrame(q.stream, channel, []byte(payload)))
}

func (q *asker) next() (wire.Channel, []byte) {
	q.t.Helper()
	channel, payload, err := wire.ReadFrame(q.stream)
	require.NoError(q.t, err)
	return channel, payload
}

func (q *asker) expect(channel wire.Channel, payload string) {
	q.t.Helper()
	got, data := q.next()
	require.Equal(q.t, channel, got, string(data))
	require.Equal(q.t, payload, string(data))
}

// value reads one Data frame.
func (q *asker) value(value any) {
	q.t.Helper()
	channel, payload := q.next()
	require.Equal(q.t, wire.Data, channel, string(payload))
	require.NoError(q.t, wire.Unmarshal(payload, value))
}

func (q *asker) refused(code api.Code, text string) {
	q.t.Helper()
	channel, payload := q.next()
	require.Equal(q.t, wire.Error, channel)
	var told api.Error
	require.NoError(q.t, wire.Unmarshal(payload, &told))
	require.Equal(q.t, code, told.Code)
	require.Contains(q.t, told.Message, text)
	require.Error(q.t, <-q.done)
}

func exitCode(code int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(code))) }

func TestExecCarriesStreamsSizesAndTheExitCode(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		var size runtime.Size
		h.runtime.Script("web:1", fake.Script{Exec: func(_ context.Context, _ string, exec runtime.Exec) (int, error) {
			size = <-exec.Resize
			input, err := io.ReadAll(exec.Stdin)
			exec.Stdout.Write(bytes.ToUpper(input))
			exec.Stderr.Write([]byte(exec.Args[0]))
			return 7, err
		}})
		h.assign("a", true, nil)
		q := ask(t, h.agent, wire.Open{Exec: &wire.ExecRequest{Task: "a", Args: []string{"upper"}, TTY: true, Stdin: true, Width: 80, Height: 25}})
		q.send(wire.Stdin, "he")
		q.send(wire.Stdin, "llo")
		q.send(wire.StdinEnd, "")
		q.expect(wire.Stdout, "HELLO")
		q.expect(wire.Stderr, "upper")
		q.expect(wire.Exit, exitCode(7))
		require.NoError(t, <-q.done)
		require.Equal(t, runtime.Size{Width: 80, Height: 25}, size)
	})
}

func TestExecEndsWhenWhoAskedIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{Exec: func(ctx context.Context, _ string, _ runtime.Exec) (int, error) {
			<-ctx.Done()
			return -1, ctx.Err()
		}})
		h.assign("a", true, nil)
		q := ask(t, h.agent, wire.Open{Exec: &wire.ExecRequest{Task: "a", Args: []string{"sleep"}}})
		synctest.Wait()
		q.stream.Close()
		require.ErrorIs(t, <-q.done, context.Canceled)
	})
}

func TestWhatCannotBeExecutedIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{Exec: func(context.Context, string, runtime.Exec) (int, error) {
			return 127, errors.Join(runtime.ErrRejected, errors.New("bash: no such command"))
		}})
		h.assign("a", true, nil)
		ask(t, h.agent, wire.Open{Exec: &wire.ExecRequest{Task: "a", Args: []string{"bash"}}}).refused(api.CodeInvalid, "bash")
		ask(t, h.agent, wire.Open{Exec: &wire.ExecRequest{Task: "b"}}).refused(api.CodeNotFound, "no such container")
		h.end("a")
		ask(t, h.agent, wire.Open{Exec: &wire.ExecRequest{Task: "a"}}).refused(api.CodeConflict, "not running")
		ask(t, h.agent, wire.Open{}).refused(api.CodeInvalid, "older")
		ask(t, h.agent, wire.Open{Do: &wire.DoRequest{}}).refused(api.CodeInvalid, "older")
	})
}

func TestStatsAreComparedAndEndWithWhoAsked(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{Stats: runtime.Stats{Memory: 5 << 20}})
		h.assign("a", true, nil)
		h.assign("b", false, nil)
		once := ask(t, h.agent, wire.Open{Stats: &wire.StatsRequest{}})
		var stats []api.ContainerStats
		once.value(&stats)
		require.Len(t, stats, 2)
		require.Equal(t, "web.1", stats[0].Name)
		require.EqualValues(t, 5<<20, stats[0].Memory)
		once.expect(wire.End, "")
		require.NoError(t, <-once.done)

		follow := ask(t, h.agent, wire.Open{Stats: &wire.StatsRequest{Tasks: []string{"b"}, Interval: time.Hour}})
		follow.value(&stats)
		require.Len(t, stats, 1)
		require.Equal(t, "b", stats[0].Task)
		follow.stream.Close()
		before := time.Now()
		require.NoError(t, <-follow.done)
		require.Less(t, time.Since(before), time.Minute, "it does not wait for the next sample")
	})
}

func TestCPUIsAPercentageOfTimePassed(t *testing.T) {
	at := time.Unix(100, 0)
	before := map[string]sample{"c": {task: &task{id: "t"}, stats: runtime.Stats{Time: at, CPU: time.Second}}}
	now := map[string]sample{
		"c": {task: &task{id: "t"}, name: "b", stats: runtime.Stats{Time: at.Add(2 * time.Second), CPU: 4 * time.Second}},
		"d": {task: &task{id: "u"}, name: "a", stats: runtime.Stats{Time: at, CPU: time.Second}},
	}
	stats := compare(before, now)
	require.Equal(t, "d", stats[0].Container)
	require.Zero(t, stats[0].CPUPercent, "seen once")
	require.InDelta(t, 150, stats[1].CPUPercent, 0.01)
}

func TestAContainerIsKilledAsAsked(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		first := h.container("a").ID
		ask(t, h.agent, wire.Open{Do: &wire.DoRequest{Kill: first}}).refused(api.CodeConflict, "use -f")
		q := ask(t, h.agent, wire.Open{Do: &wire.DoRequest{Kill: first, Force: true}})
		q.value(new(struct{}))
		require.NoError(t, <-q.done)
		synctest.Wait()
		status := h.status("a")
		require.Equal(t, api.TaskRunning, status.State)
		require.Equal(t, 137, status.Attempts[0].ExitCode)
		require.Equal(t, removedByUser, status.Attempts[0].Error)
		ask(t, h.agent, wire.Open{Do: &wire.DoRequest{Kill: first, Force: true}}).refused(api.CodeNotFound, "no such container")
	})
}

func TestImagesAreListedAndBadArchivesRefused(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.assign("a", true, nil)
		q := ask(t, h.agent, wire.Open{Do: &wire.DoRequest{Images: true}})
		var images []wire.LoadedImage
		q.value(&images)
		require.Equal(t, "docker.io/library/web:1", images[0].Name)
		require.NoError(t, <-q.done)

		wrong := ask(t, h.agent, wire.Open{Load: &wire.LoadRequest{}})
		wrong.send(wire.Data, "no archive")
		wrong.send(wire.End, "")
		wrong.refused(api.CodeInvalid, "not an image archive")

		cut := ask(t, h.agent, wire.Open{Load: &wire.LoadRequest{}})
		cut.send(wire.Data, "half of")
		cut.stream.Close()
		require.ErrorIs(t, <-cut.done, io.ErrUnexpectedEOF)
	})
}

// TestLogsOverAnAgentsRestart has real FIFOs and therefore real time.
func TestLogsOverAnAgentsRestart(t *testing.T) {
	dir, r := t.TempDir(), fake.New()
	run := func() (a *Agent, stop func()) {
		a, err := New(Config{Dir: dir, Runtime: r}, zap.NewNop())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		return a, func() { cancel(); require.NoError(t, <-done) }
	}
	a, stop := run()
	h := &host{t: t, dir: dir, runtime: r, agent: a}
	spec := api.ServiceSpec{Container: api.ContainerSpec{Image: "web:1"}}
	spec.Defaults()
	each := wire.Assignment{Task: api.Task{Meta: api.Meta{ID: "a"}, Service: "s", Desired: api.DesiredRun}}
	require.NoError(t, a.Apply(wire.Down{Full: true, Tasks: []wire.Assignment{each}, Specs: map[string]api.ServiceSpec{each.SpecID(): spec}}))
	runs := func() bool { return h.container("a").State == runtime.Running }
	require.Eventually(t, runs, time.Minute, 5*time.Millisecond)
	first := h.container("a").ID

	follow := ask(t, a, wire.Open{Logs: &wire.LogsRequest{Tasks: []string{"a"}, Tail: -1, Follow: true}})
	line := func(q *asker) string {
		var line api.LogLine
		q.value(&line)
		require.Equal(t, "a", line.Task)
		return line.Text
	}
	require.NoError(t, r.Print(first, "one\n"))
	require.Equal(t, "one", line(follow))
	follow.stream.Close()
	require.NoError(t, <-follow.done, "with no line to come, it ends all the same")

	stop()
	require.NoError(t, r.Print(first, "two\n"))
	a, stop = run()
	defer func() { stop() }()
	follow = ask(t, a, wire.Open{Logs: &wire.LogsRequest{Tasks: []string{"a"}, Tail: -1, Follow: true}})
	require.Equal(t, "one", line(follow))
	require.Equal(t, "two", line(follow))
	require.NoError(t, r.Print(first, "three\n"))
	r.Exit(first, 1)
	require.Equal(t, "three", line(follow), "its last word")
	replaced := func() bool { return runs() && h.container("a").ID != first }
	require.Eventually(t, replaced, time.Minute, 5*time.Millisecond)
	require.NoError(t, r.Print(h.container("a").ID, "four\n"))
	require.Equal(t, "four", line(follow))

	all := ask(t, a, wire.Open{Logs: &wire.LogsRequest{Tasks: []string{"a"}, Tail: 2}})
	require.Equal(t, []string{"three", "four"}, []string{line(all), line(all)})
	all.expect(wire.End, "")
	require.NoError(t, <-all.done)

	require.NoError(t, a.Apply(wire.Down{Removed: []string{"a"}}))
	follow.expect(wire.End, "")
	require.NoError(t, <-follow.done)
}

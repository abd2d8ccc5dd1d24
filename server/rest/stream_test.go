package rest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/api/wire"
)

// collect ranges over a stream that must end well.
func collect[T any](t *testing.T, all iter.Seq2[T, error]) []T {
	t.Helper()
	var values []T
	for value, err := range all {
		require.NoError(t, err)
		values = append(values, value)
	}
	return values
}

// logNode answers requests for logs with lines at the given seconds, by task.
func logNode(t *testing.T, seconds map[string][]int) func(string, wire.Open, net.Conn) {
	return func(_ string, open wire.Open, stream net.Conn) {
		for _, task := range open.Logs.Tasks {
			for _, second := range seconds[task] {
				line := api.LogLine{Time: time.Unix(int64(second), 0).UTC(), Stream: "stdout", Text: fmt.Sprint(task, " at ", second)}
				if send(stream, line) != nil {
					return
				}
			}
		}
		if !open.Logs.Follow {
			_ = wire.WriteFrame(stream, wire.End, nil)
			return
		}
		_, _ = io.Copy(io.Discard, stream) // until the manager closes it
	}
}

func TestLogsOfManyNodesAreInTheOrderOfTime(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 3)
	m.run(web, 1, "n1id", "a")
	m.run(web, 2, "n2id", "b")
	m.run(web, 3, "n2id", "c")
	m.nodes.answer(logNode(t, map[string][]int{"taska": {1, 4, 7, 10}, "taskb": {2, 3, 11}, "taskc": {5, 6, 8, 9}}))
	for _, follow := range []bool{false, true} {
		ctx, cancel := context.WithCancel(m.ctx)
		var got []int64
		for line, err := range m.client.Logs(ctx, client.LogsQuery{Service: "web", Tail: -1, Follow: follow}) {
			require.NoError(t, err)
			require.Empty(t, line.Error)
			got = append(got, line.Time.Unix())
			if line.Time.Unix() == 3 {
				require.Equal(t, "web.2", line.Name)
				require.Equal(t, "n2", line.NodeName)
			}
			if follow && len(got) == 11 {
				cancel()
				break
			}
		}
		cancel()
		require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, got, "follow %v", follow)
	}
}

func TestLogsTellWhichNodeIsAway(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 3)
	m.run(web, 1, "n1id", "a")
	m.run(web, 2, "n2id", "b")
	m.run(web, 3, "n2id", "c")
	m.nodes.setAway("n2id", true)
	m.nodes.answer(logNode(t, map[string][]int{"taska": {1, 2}}))
	lines := collect(t, m.client.Logs(m.ctx, client.LogsQuery{Service: "web", Tail: -1}))
	var errors []string
	texts := 0
	for _, line := range lines {
		if line.Error != "" {
			errors = append(errors, line.NodeName+": "+line.Error)
		} else {
			texts++
		}
	}
	require.Equal(t, 2, texts)
	require.Len(t, errors, 1, "one line for the node, not for each task")
	require.Contains(t, errors[0], "n2: node n2id is not connected")
}

func TestFollowedLogsGoOnWithNewTasksAndReturnedNodes(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 1)
	m.run(web, 1, "n1id", "a")
	m.nodes.setAway("n2id", true)
	m.nodes.answer(logNode(t, map[string][]int{"taska": {1}, "taskb": {2}}))
	next, stop := iter.Pull2(m.client.Logs(m.ctx, client.LogsQuery{Service: "web", Tail: -1, Follow: true}))
	defer stop()
	read := func() api.LogLine {
		line, err, more := next()
		require.True(t, more)
		require.NoError(t, err)
		return line
	}
	require.Equal(t, "taska at 1", read().Text)
	m.run(web, 2, "n2id", "b")
	require.Contains(t, read().Error, "not connected")
	m.nodes.setAway("n2id", false)
	m.put(&api.NodeStatus{Meta: api.Meta{ID: "n2id"}, State: api.NodeReady, Session: "s3"})
	require.Equal(t, "taskb at 2", read().Text)
	require.NoError(t, m.client.RemoveService(m.ctx, "web"))
	m.removeTasks("taska", "taskb")
	_, err, more := next()
	require.NoError(t, err)
	require.False(t, more, "the service is gone: nothing more can come")
}

func TestLogsAreOfOneThing(t *testing.T) {
	m := newManager(t)
	for _, q := range []client.LogsQuery{{}, {Service: "a", Task: "b"}} {
		for _, err := range m.client.Logs(m.ctx, q) {
			requireCode(t, api.CodeInvalid, err, "give one of")
		}
	}
}

// shell answers exec: it echoes its input, upper case, and tells its size.
func shell(t *testing.T, requests chan<- wire.ExecRequest) func(string, wire.Open, net.Conn) {
	return func(_ string, open wire.Open, stream net.Conn) {
		requests <- *open.Exec
		for {
			channel, payload, err := wire.ReadFrame(stream)
			if err != nil {
				return
			}
			switch channel {
			case wire.Stdin:
				err = wire.WriteFrame(stream, wire.Stdout, bytes.ToUpper(payload))
			case wire.Resize:
				err = wire.WriteFrame(stream, wire.Stderr, []byte(fmt.Sprint(binary.BigEndian.Uint16(payload), "x", binary.BigEndian.Uint16(payload[2:]))))
			case wire.StdinEnd:
				_ = wire.WriteFrame(stream, wire.Exit, binary.BigEndian.AppendUint32(nil, 42))
				return
			}
			if err != nil {
				return
			}
		}
	}
}

func TestExecTalksBothWays(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 1)
	m.run(web, 1, "n2id", "cafe")
	requests := make(chan wire.ExecRequest, 1)
	m.nodes.answer(shell(t, requests))
	exec, err := m.client.Exec(m.ctx, wire.ExecRequest{Task: "web.1", Args: []string{"sh"}, Stdin: true})
	require.NoError(t, err)
	defer exec.Close()
	request := <-requests
	require.Equal(t, "taskcafe", request.Task)
	require.Equal(t, "cafe", request.Container)

	// The answer to each line is read before the next is sent: it is a dialogue.
	heard := make(chan string)
	ended := make(chan error, 1)
	var stderr bytes.Buffer
	go func() {
		code, err := exec.Wait(writerFunc(func(p []byte) { heard <- string(p) }), &stderr)
		if err == nil && code != 42 {
			err = fmt.Errorf("exit code %d", code)
		}
		ended <- err
	}()
	for _, word := range []string{"one", "two"} {
		_, err = exec.Write([]byte(word))
		require.NoError(t, err)
		require.Equal(t, strings.ToUpper(word), <-heard)
	}
	require.NoError(t, exec.Resize(80, 24))
	require.NoError(t, exec.CloseInput())
	require.NoError(t, <-ended)
	require.Equal(t, "80x24", stderr.String())
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestExecIsRefusedInWords(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 1)
	m.run(web, 1, "n2id", "cafe")
	m.nodes.answer(func(_ string, _ wire.Open, stream net.Conn) {
		_ = wire.WriteError(stream, api.Invalidf("the container has no command nope"))
	})
	for _, test := range []struct {
		request wire.ExecRequest
		code    api.Code
		words   string
	}{
		{wire.ExecRequest{Task: "web.7", Args: []string{"sh"}}, api.CodeNotFound, "web.7"},
		{wire.ExecRequest{Task: "web.1"}, api.CodeInvalid, "which command"},
		{wire.ExecRequest{Args: []string{"sh"}}, api.CodeInvalid, "which task"},
	} {
		_, err := m.client.Exec(m.ctx, test.request)
		requireCode(t, test.code, err, test.words)
	}
	exec, err := m.client.Exec(m.ctx, wire.ExecRequest{Container: "ca", Args: []string{"nope"}})
	require.NoError(t, err)
	defer exec.Close()
	_, err = exec.Wait(io.Discard, io.Discard)
	requireCode(t, api.CodeInvalid, err, "nope")

	m.nodes.answer(func(string, wire.Open, net.Conn) {})
	lost, err := m.client.Exec(m.ctx, wire.ExecRequest{Container: "cafe", Args: []string{"sh"}})
	require.NoError(t, err)
	defer lost.Close()
	_, err = lost.Wait(io.Discard, io.Discard)
	requireCode(t, api.CodeUnavailable, err, "lost")

	m.finish("taskcafe", "cafe")
	_, err = m.client.Exec(m.ctx, wire.ExecRequest{Container: "cafe", Args: []string{"sh"}})
	requireCode(t, api.CodeConflict, err, "not running")
}

func TestAClientThatLeavesEndsItsCommand(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 1)
	m.run(web, 1, "n2id", "cafe")
	ended := make(chan error, 1)
	m.nodes.answer(func(_ string, _ wire.Open, stream net.Conn) {
		_, err := io.Copy(io.Discard, stream)
		ended <- err
	})
	exec, err := m.client.Exec(m.ctx, wire.ExecRequest{Task: "web.1", Args: []string{"sleep"}})
	require.NoError(t, err)
	exec.Close()
	select {
	case <-ended:
	case <-m.ctx.Done():
		t.Fatal("the node was not told")
	}
}

func TestStatsOfAllNodesAreOneList(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 2)
	m.run(web, 1, "n1id", "a")
	m.run(web, 2, "n2id", "b")
	m.nodes.answer(func(_ string, open wire.Open, stream net.Conn) {
		for {
			samples := []api.ContainerStats{}
			for _, c := range []string{"a", "b", "other"} {
				if len(open.Stats.Tasks) == 0 || open.Stats.Tasks[0] == "task"+c {
					samples = append(samples, api.ContainerStats{Container: c, Task: "task" + c, Memory: 5})
				}
			}
			if send(stream, samples) != nil || open.Stats.Interval == 0 {
				return
			}
			if open.Stats.Interval > 0 {
				_, _ = io.Copy(io.Discard, stream)
				return
			}
		}
	})
	lists := collect(t, m.client.Stats(m.ctx, client.StatsQuery{Service: "web"}))
	require.Len(t, lists, 1)
	require.Len(t, lists[0], 2)
	require.Equal(t, "web.1", lists[0][0].Name)
	require.Equal(t, "n2", lists[0][1].NodeName)
	for list, err := range m.client.Stats(m.ctx, client.StatsQuery{Service: "web", Stream: true}) {
		require.NoError(t, err)
		require.NotEmpty(t, list)
		break
	}
	m.nodes.setAway("n2id", true)
	var last error
	for list, err := range m.client.Stats(m.ctx, client.StatsQuery{}) {
		if err == nil {
			require.Len(t, list, 1, "the others' numbers come first")
		}
		last = err
	}
	requireCode(t, api.CodeUnavailable, last, "not connected")
}

func TestEventsAreRememberedAndFollowed(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 1)
	next, stop := iter.Pull2(m.client.Events(m.ctx, client.EventsQuery{Since: time.Unix(1, 0), Types: []string{"service", "task"}, Follow: true}))
	defer stop()
	read := func() api.Event {
		event, err, more := next()
		require.True(t, more)
		require.NoError(t, err)
		return event
	}
	created := read()
	require.Equal(t, "service create web", created.Type+" "+created.Action+" "+created.Name)
	require.Equal(t, "web:1", created.Attributes["image"])
	m.run(web, 1, "n2id", "a")
	require.Equal(t, "create", read().Action)
	running := read()
	require.Equal(t, "task running web.1", running.Type+" "+running.Action+" "+running.Name)
	require.Equal(t, "n2", running.Attributes["node"])
	m.finish("taska", "a")
	failed := read()
	require.Equal(t, "failed", failed.Action)
	require.Equal(t, "3", failed.Attributes["exitCode"])
	remembered := collect(t, m.client.Events(m.ctx, client.EventsQuery{Types: []string{"task"}}))
	require.Len(t, remembered, 3)
}

func TestAnEventTellsWhatAServiceLacks(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 1)
	next, stop := iter.Pull2(m.client.Events(m.ctx, client.EventsQuery{Since: time.Unix(1, 0), Types: []string{"service", "block", "endpoint"}, Follow: true}))
	defer stop()
	read := func() api.Event {
		event, err, more := next()
		require.True(t, more)
		require.NoError(t, err)
		return event
	}
	require.Equal(t, "create", read().Action)
	lacks := &api.Endpoint{Meta: api.Meta{ID: web.ID}, Lacks: []string{"port 80/tcp is taken"}}
	m.put(&api.Block{Meta: api.Meta{ID: "ingress.n1"}, Network: "ingress", Node: "n1"}, lacks)
	event := read()
	require.Equal(t, "service lack web: port 80/tcp is taken", event.Type+" "+event.Action+" "+event.Name+": "+event.Attributes["message"])
	view, err := m.client.Service(m.ctx, "web")
	require.NoError(t, err)
	require.Equal(t, lacks.Lacks, view.Warnings)
	m.put(&api.Endpoint{Meta: api.Meta{ID: web.ID}})
	require.Equal(t, "have", read().Action)
}

func TestAReaderThatIsTooSlowIsToldWhatItMissed(t *testing.T) {
	h := newHistory(3)
	for n := range 5 {
		h.add([]api.Event{{ID: fmt.Sprint(n)}})
	}
	events, lost, next, _ := h.since(1)
	require.Equal(t, 1, lost)
	require.Equal(t, 5, next)
	require.Len(t, events, 3)
	require.Equal(t, "2", events[0].ID)
	events, lost, _, wake := h.since(5)
	require.Empty(t, events)
	require.Zero(t, lost)
	h.add([]api.Event{{ID: "5"}})
	<-wake
}

func TestRemovingAContainerIsTheNodesToDo(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 1)
	m.run(web, 1, "n2id", "cafe")
	asked := make(chan wire.DoRequest, 2)
	m.nodes.answer(func(node string, open wire.Open, stream net.Conn) {
		asked <- *open.Do
		if !open.Do.Force {
			_ = wire.WriteError(stream, api.Conflictf("the container runs: use --force"))
			return
		}
		_ = send(stream, struct{}{})
	})
	err := m.client.RemoveContainer(m.ctx, "cafe", false)
	requireCode(t, api.CodeConflict, err, "--force")
	require.NoError(t, m.client.RemoveContainer(m.ctx, "ca", true))
	require.Equal(t, "cafe", (<-asked).Kill)
	err = m.client.RemoveContainer(m.ctx, "nope", true)
	requireCode(t, api.CodeNotFound, err, "nope")
}

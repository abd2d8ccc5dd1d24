package session

import (
	"context"
	"io"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

func TestASessionCarriesAssignmentsDownAndStatusesUp(t *testing.T) {
	m, n := newManager(t), newNode()
	stop := start(t, m, n)
	c := next(t, m.sessions)
	first := next(t, c.up)
	require.Equal(t, "host", first.Hello.Info.Hostname)
	require.Empty(t, first.Statuses, "a manager reads little before it knows whom it has")
	require.Equal(t, "all", next(t, c.up).Statuses[0].Node)

	c.down(welcome(time.Minute))
	require.EqualValues(t, 7, until(t, c, func(up wire.Up) bool { return up.Applied != 0 }).Applied)
	c.down(wire.Down{Tasks: []wire.Assignment{{ServiceName: "web"}}, Revision: 8})
	require.Equal(t, "web", next(t, n.applied).Tasks[0].ServiceName)

	n.put(api.TaskStatus{Node: "one"})
	require.Equal(t, "one", until(t, c, func(up wire.Up) bool { return len(up.Statuses) > 0 }).Statuses[0].Node)

	c.down(wire.Down{Open: &wire.Open{ID: "stream", Do: &wire.DoRequest{}}})
	require.Equal(t, "stream heard hello", next(t, m.streams))

	go stop()
	until(t, c, func(up wire.Up) bool { return up.Leaving })
	next(t, n.lost)
}

func TestWhatATaskMadeIsToldOfSoonAfterItsStatus(t *testing.T) {
	m, n := newManager(t), newNode()
	var made atomic.Bool
	startAs(t, m, n, func() api.NodeInfo {
		if made.Load() {
			return api.NodeInfo{Volumes: []string{"data"}}
		}
		return api.NodeInfo{}
	})
	c := next(t, m.sessions)
	c.down(welcome(time.Minute))
	until(t, c, func(up wire.Up) bool { return up.Applied != 0 })
	began := time.Now()
	made.Store(true)
	n.put(api.TaskStatus{Node: "one"})
	require.Equal(t, []string{"data"}, until(t, c, func(up wire.Up) bool { return up.Info != nil }).Info.Volumes)
	require.Less(t, time.Since(began), infoInterval-infoPause)
}

func TestHeartbeatsGoUp(t *testing.T) {
	m, n := newManager(t), newNode()
	start(t, m, n)
	c := next(t, m.sessions)
	c.down(wire.Down{Welcome: &wire.Welcome{Heartbeat: 10 * time.Millisecond, Timeout: time.Hour}})
	for range 3 {
		until(t, c, func(up wire.Up) bool { return up.Hello == nil && up.Applied == 0 && len(up.Statuses) == 0 })
	}
}

func TestSilenceEndsASession(t *testing.T) {
	m, n := newManager(t), newNode()
	start(t, m, n)
	c := next(t, m.sessions)
	c.down(welcome(300 * time.Millisecond))
	again := next(t, m.sessions) // this manager says nothing: the node comes anew
	require.NotNil(t, next(t, again.up).Hello)
	require.GreaterOrEqual(t, time.Since(next(t, n.lost)), 300*time.Millisecond, "it is lost since it was last heard")
}

func TestAStateInPartsIsActedOnWhenItIsComplete(t *testing.T) {
	m, n := newManager(t), newNode()
	start(t, m, n)
	state := &wire.NetworkState{Services: wire.Changes[wire.Service]{Set: make(map[string]wire.Service)}}
	for i := range 15_000 {
		state.Services.Set[strconv.Itoa(i)] = wire.Service{Name: "service " + strconv.Itoa(i)}
	}
	down := welcome(time.Minute)
	down.Network, down.Tasks = state, []wire.Assignment{{ServiceName: "web"}}
	messages, err := down.Split()
	require.NoError(t, err)
	require.Greater(t, len(messages), 3)

	// The connection breaks before the last one.
	c := next(t, m.sessions)
	for _, each := range messages[:len(messages)-1] {
		c.down(each)
	}
	close(c.end)
	next(t, n.lost)
	require.Empty(t, n.applied)
	again := next(t, m.sessions)
	for _, each := range messages {
		again.down(each)
	}
	require.Equal(t, state, next(t, n.applied).Network)
	require.EqualValues(t, 7, until(t, again, func(up wire.Up) bool { return up.Applied != 0 }).Applied)

	// Parts that are not the whole end the session.
	again.down(messages[1])
	again.down(messages[len(messages)-1])
	next(t, n.lost)
	require.Empty(t, n.applied)
	next(t, m.sessions)
}

func TestAnotherManagerIsTried(t *testing.T) {
	m, n := newManager(t), newNode()
	start(t, m, n, "127.0.0.1:1")
	c := next(t, m.sessions)
	c.down(welcome(time.Minute))
	close(c.end)
	require.NotNil(t, next(t, next(t, m.sessions).up).Hello)
}

func TestAManagerSaysHowLongToWaitBetweenTries(t *testing.T) {
	m := newManager(t)
	core, logged := observer.New(zap.WarnLevel)
	client := New(Config{
		Node: newNode(), Managers: []string{m.address()}, File: filepath.Join(t.TempDir(), "managers"), TLS: m.tls,
		Info: func() api.NodeInfo { return api.NodeInfo{} },
	}, zap.New(core))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx) }()
	c := next(t, m.sessions)
	told := welcome(time.Minute)
	told.Welcome.Retry = 150 * time.Millisecond
	c.down(told)
	until(t, c, func(up wire.Up) bool { return up.Applied > 0 })
	close(c.end)
	m.server.Close()
	require.Eventually(t, func() bool { return logged.Len() > 5 }, time.Minute, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	for _, entry := range logged.All() {
		require.LessOrEqual(t, entry.ContextMap()["nextTryIn"], told.Welcome.Retry)
	}
}

func TestARefusalIsNoReasonToGiveUp(t *testing.T) {
	m, n := newManager(t), newNode()
	m.refuse = api.Errorf(api.CodeForbidden, "this node was removed")
	client := New(Config{Node: n, TLS: m.tls, Info: func() api.NodeInfo { return api.NodeInfo{} }}, zap.NewNop())
	_, err := client.connect(t.Context(), m.address())
	require.ErrorContains(t, err, "this node was removed")
	require.Equal(t, api.CodeForbidden, api.CodeOf(err))
}

func TestManagersAreRemembered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "managers")
	var m managers
	m.load(file, []string{"a:1"})
	m.learn([]string{"b:1", "c:1"})
	m.learn(nil)
	require.Equal(t, []string{"b:1", "c:1", "a:1", "b:1"}, []string{m.next(), m.next(), m.next(), m.next()}, "what was told stays the last resort")
	m.leave("c:1")
	require.Equal(t, "a:1", m.next(), "another one than the one that was lost")
	var again managers
	again.load(file, []string{"d:1"})
	require.Equal(t, []string{"b:1", "c:1", "d:1"}, again.list)
}

// many is a node with more to tell than one message has.
type many struct{ *node }

func (many) Statuses(context.Context) []api.TaskStatus {
	return make([]api.TaskStatus, 2*maxStatuses+1)
}

func TestManyStatusesComeInSeveralMessages(t *testing.T) {
	m := newManager(t)
	start(t, m, many{newNode()})
	c := next(t, m.sessions)
	require.NotNil(t, next(t, c.up).Hello)
	require.Len(t, next(t, c.up).Statuses, maxStatuses)
	require.Len(t, next(t, c.up).Statuses, maxStatuses)
	require.Len(t, next(t, c.up).Statuses, 1)
}

// upstream is where a session's messages go, as they go.
type upstream struct{ io.Writer }

func (upstream) CloseWrite() error { return nil }

// TestTheManagersHeartbeatIsAnswered has an hour between heartbeats: what comes sooner is
// an answer.
func TestTheManagersHeartbeatIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		toNode, heard, end := converse(t, newNode())
		for _, at := range []time.Duration{time.Hour, 2 * time.Hour, 2*time.Hour + time.Minute, 3 * time.Hour} {
			time.Sleep(at - time.Since(began))
			require.NoError(t, wire.Beat(toNode))
		}
		for _, at := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour} {
			require.Equal(t, at, <-heard, "one in an hour is enough")
		}
		alone := time.Hour + time.Hour/8
		for n := range time.Duration(2) {
			require.Equal(t, 3*time.Hour+(n+1)*alone, <-heard, "it sends by itself when it hears nothing")
		}

		end()
	})
}

// A disk that hangs holds up what the node does, and neither what it hears nor what it
// says.
func TestANodeIsHeardWhileItsDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, began := newNode(), time.Now()
		n.hang = func() { time.Sleep(30*time.Hour - time.Since(began)) } // the timeout is 9
		toNode, heard, end := converse(t, n)
		task := func(id string) wire.Down {
			return wire.Down{Tasks: []wire.Assignment{{Task: api.Task{Meta: api.Meta{ID: id}}}}, Revision: 1}
		}
		require.NoError(t, wire.Write(toNode, task("t1")))
		for hour := range 30 {
			time.Sleep(time.Hour)
			require.NoError(t, wire.Beat(toNode))
			if hour == 3 {
				require.NoError(t, wire.Write(toNode, task("t2")))
			}
			require.LessOrEqual(t, <-heard, time.Duration(hour+1)*time.Hour+time.Hour/8)
		}
		for _, id := range []string{"t1", "t2"} {
			require.Equal(t, id, (<-n.applied).Tasks[0].Task.ID)
		}
		end()
	})
}

// A session that ends while the node hangs is followed by another one at once; what was
// told in it comes after what was told before.
func TestANodeThatHangsFindsAnotherManager(t *testing.T) {
	m, n := newManager(t), newNode()
	hangs, release := make(chan struct{}, 3), make(chan struct{})
	n.hang = func() {
		hangs <- struct{}{}
		<-release
	}
	start(t, m, n)
	first := next(t, m.sessions)
	first.down(welcome(time.Hour))
	first.down(wire.Down{Tasks: []wire.Assignment{{NodeName: "old"}}, Revision: 7})
	next(t, hangs)
	close(first.end)
	second := next(t, m.sessions)
	require.NotNil(t, next(t, second.up).Hello)
	again := welcome(time.Hour)
	again.Tasks = []wire.Assignment{{NodeName: "new"}}
	second.down(again)
	require.Empty(t, n.lost)
	close(release)
	require.Equal(t, "old", next(t, n.applied).Tasks[0].NodeName)
	require.NotZero(t, next(t, n.lost))
	require.Equal(t, "new", next(t, n.applied).Tasks[0].NodeName)
}

// A removed node is told that it has no tasks any more, and why its session ends.
func TestWhatComesBeforeTheReasonIsDone(t *testing.T) {
	m, n := newManager(t), newNode()
	start(t, m, n)
	first := next(t, m.sessions)
	first.down(welcome(time.Hour))
	for i := range 20 {
		first.down(wire.Down{Tasks: []wire.Assignment{{Task: api.Task{Slot: i}}}})
	}
	first.down(wire.Down{Error: api.Errorf(api.CodeForbidden, "removed")})
	next(t, n.lost)
	for i := range 20 {
		require.Equal(t, i, next(t, n.applied).Tasks[0].Task.Slot)
	}
}

// converse holds a session over pipes with an hour between heartbeats and nine until
// silence ends it. It returns the manager's side, when something was heard there, and
// what ends the session.
func converse(t *testing.T, n *node) (toNode io.Writer, heard <-chan time.Duration, end func()) {
	t.Helper()
	client := New(Config{Node: n, Info: func() api.NodeInfo { return api.NodeInfo{} }}, zap.NewNop())
	live, cancel := context.WithCancelCause(t.Context())
	down, out := io.Pipe()
	in, up := io.Pipe()
	s := client.newSession("", live, cancel)
	s.down, s.up = down, upstream{up}
	times, began := make(chan time.Duration, 100), time.Now()
	go func() {
		for {
			var up wire.Up
			if wire.Read(in, &up) != nil {
				return
			}
			times <- time.Since(began)
		}
	}()
	ended, acted := make(chan error, 1), make(chan struct{})
	go s.act(client.acted, acted)
	go func() {
		ended <- s.converse(t.Context(), wire.Welcome{Heartbeat: time.Hour, Timeout: 9 * time.Hour}, api.NodeInfo{})
	}()
	return out, times, func() {
		out.CloseWithError(io.EOF)
		require.Error(t, <-ended)
		cancel(nil)
		close(s.over)
		<-acted
		up.Close()
	}
}

package session

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

func TestANewerSessionReplacesTheOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		put(t, m.store, task("t1", "n1"))
		old := m.connect("n1")
		session := m.d.nodes["n1"].session
		newer := m.connect("n1")
		defer newer.hangUp()
		require.True(t, old.isCut())
		require.Equal(t, newer.id, m.node("n1").Session)
		require.False(t, newer.isCut())

		m.d.scribe.report(session, []api.TaskStatus{running("t1")})
		m.settle()
		require.Nil(t, m.status("t1"), "what the older session says late is not written")
	})
}

func TestARemovedNodeIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		a := m.connect("n1")
		a.received()
		tx := &store.Tx{}
		tx.Remove(api.KindNode, "n1")
		tx.Remove(api.KindNodeStatus, "n1")
		_, err := m.store.Commit(t.Context(), tx)
		require.NoError(t, err)
		m.settle()
		require.True(t, a.isCut())
		last := a.received()
		require.Len(t, last, 2)
		require.True(t, last[0].Full, "it is to run nothing any more")
		require.Empty(t, last[0].Tasks)
		require.Equal(t, api.CodeForbidden, last[1].Error.Code)

		again := m.connect("n1")
		require.True(t, again.isCut())
		require.Equal(t, api.CodeForbidden, again.received()[0].Error.Code)
		require.Nil(t, m.node("n1"))
	})
}

func TestHelloIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		a := m.connectAs("n1", "short")
		require.True(t, a.isCut())
		require.Equal(t, api.CodeInvalid, a.received()[0].Error.Code)
	})
}

// TestANodeOpensOneSessionAtATime has it come again and again before any of its sessions
// has begun.
func TestANodeOpensOneSessionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		var ended [3]chan struct{}
		var told [3]bytes.Buffer
		for i := range ended {
			ended[i] = make(chan struct{})
			said, says := io.Pipe()
			defer says.Close()
			go func() {
				defer close(ended[i])
				ctx, err := m.d.enter()
				if err != nil {
					return
				}
				defer m.d.wg.Done()
				m.d.serve(ctx, "n1", netip.Addr{}, said, &told[i], func() { said.CloseWithError(os.ErrDeadlineExceeded) })
			}()
			_, err := says.Write([]byte{0, 0})
			require.NoError(t, err)
			synctest.Wait()
		}
		for i := range 2 {
			<-ended[i]
			var down wire.Down
			require.NoError(t, wire.Read(&told[i], &down))
			require.Equal(t, api.CodeConflict, down.Error.Code)
		}
		select {
		case <-ended[2]:
			t.Error("the newest counts")
		default:
		}
		other := m.connect("n2")
		require.False(t, other.isCut(), "it is the other's own affair")
		other.hangUp()
		a := m.connect("n1")
		<-ended[2]
		require.False(t, a.isCut())
		a.hangUp()
		m.d.mu.Lock()
		require.Empty(t, m.d.opening)
		m.d.mu.Unlock()
	})
}

func TestTheFirstMessageIsSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		var told bytes.Buffer
		hello := encoded(t, wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: api.NewID()}, Statuses: make([]api.TaskStatus, 4096)})
		m.converse("n1", hello, nil, &told)
		require.Nil(t, m.node("n1"))
		var down wire.Down
		require.NoError(t, wire.Read(&told, &down))
		require.Equal(t, api.CodeInvalid, down.Error.Code)
	})
}

func TestStreamsNeedASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		_, err := m.d.Open(t.Context(), "n1", wire.Open{Do: &wire.DoRequest{Images: true}})
		require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
		require.ErrorContains(t, err, "name-n1")
		a := m.connect("n1")
		defer a.hangUp()
		a.received()
		_, err = m.d.Open(t.Context(), "n1", wire.Open{ID: "guess", Do: &wire.DoRequest{Images: true}})
		require.ErrorContains(t, err, "did not answer")
		asked := a.received()
		require.Len(t, asked, 1)
		require.True(t, asked[0].Open.Do.Images)
		require.Greater(t, len(asked[0].Open.ID), 20)
		require.Empty(t, m.d.streams)
	})
}

// TestAManagerThatIsBehindTellsNothingOld: another manager told the node of a task, and
// it runs, before this one has heard of the task.
func TestAManagerThatIsBehindTellsNothingOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, "n1", "n2")
		behind := newLagging(s)
		m := newManagerOf(t, Config{Store: behind, Node: "manager"})
		defer m.stop()
		put(t, s, task("t1", "n1"))
		m.hello = []api.TaskStatus{running("t1")}
		a := m.connect("n1")
		defer a.hangUp()
		require.Empty(t, a.received())
		require.True(t, m.d.mu.TryLock(), "it holds up nobody else")
		m.d.mu.Unlock()

		time.Sleep(time.Second)
		behind.hear()
		m.settle()
		told := a.received()
		require.Len(t, told, 1)
		require.True(t, told[0].Full)
		require.Len(t, told[0].Tasks, 1)
		require.Equal(t, api.TaskRunning, m.status("t1").State)
		require.False(t, a.isCut())
	})
}

// TestASessionBeginsWithWhatIsAtLeastAsNew as itself, though the store is ahead of
// what sessions are told.
func TestASessionBeginsWithWhatIsAtLeastAsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		a := m.connect("n1")
		defer a.hangUp()
		m.d.mu.Lock()
		s, now := m.d.nodes["n1"].session, m.d.snapshot.Revision()
		m.d.mu.Unlock()
		require.Nil(t, m.d.tryTellAll(s))
		s.committed.Store(now + 1)
		newer := m.d.tryTellAll(s)
		require.NotNil(t, newer)
		put(t, m.store, task("t1", "n1"))
		<-newer
		require.Nil(t, m.d.tryTellAll(s))
	})
}

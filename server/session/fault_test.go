package session

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// faulty panics when it is used.
type faulty struct{}

func (faulty) Read([]byte) (int, error)  { panic("a fault for the test") }
func (faulty) Write([]byte) (int, error) { panic("a fault for the test") }

// broken is a database whose snapshots panic for who asks from now on.
type broken struct {
	*memory.Store
	now bool
}

func (b *broken) Snapshot() *store.Snapshot {
	if b.now {
		panic("a fault for the test")
	}
	return b.Store.Snapshot()
}

// TestAFaultEndsOneSessionAlone panics wherever a session has a goroutine of its own.
func TestAFaultEndsOneSessionAlone(t *testing.T) {
	hello := encoded(t, wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: api.NewID()}, Statuses: []api.TaskStatus{running("t1")}})
	for _, c := range []struct {
		name  string
		said  []byte
		then  io.Reader // nil for nothing more
		down  io.Writer
		store bool // the database fails
	}{
		{name: "reading the hello", then: faulty{}, down: io.Discard},
		{name: "opening", said: hello, down: io.Discard, store: true},
		{name: "reading", said: hello, then: faulty{}, down: io.Discard},
		{name: "writing", said: hello, down: faulty{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore(t, "n1", "n2")
				put(t, s, task("t1", "n1"))
				b := &broken{Store: s}
				core, logged := observer.New(zapcore.ErrorLevel)
				m := newManager(t, s)
				m.d.log, m.d.scribe.store = zap.New(core), b
				defer m.stop()
				other := m.connect("n2")
				defer other.hangUp()

				b.now = c.store
				m.converse("n1", c.said, c.then, c.down)
				b.now = false
				require.NotEmpty(t, logged.All())
				require.Contains(t, logged.All()[0].ContextMap()["stack"], "fault_test.go", "who reads it finds the place")

				again := m.connect("n1")
				defer again.hangUp()
				again.send(wire.Up{Statuses: []api.TaskStatus{running("t1")}})
				time.Sleep(3 * api.DefaultNodeTimeout)
				synctest.Wait()
				require.Equal(t, api.TaskRunning, m.status("t1").State, "nothing is held that others need")
				require.False(t, again.isCut())
				require.False(t, other.isCut())
				require.Equal(t, api.NodeReady, m.node("n2").State)
			})
		})
	}
}

// TestANodeWhoseSessionFailedIsNotTakenForConnected lets the fault be the last that is
// heard of it.
func TestANodeWhoseSessionFailedIsNotTakenForConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		hello := encoded(t, wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: api.NewID()}})
		m.converse("n1", hello, faulty{}, io.Discard)
		m.d.mu.Lock()
		require.Nil(t, m.d.nodes["n1"].session)
		m.d.mu.Unlock()
		time.Sleep(api.DefaultNodeTimeout + time.Second)
		synctest.Wait()
		require.Equal(t, api.NodeDown, m.node("n1").State)
	})
}

// converse serves a session of a node that says something and then has nothing more to
// say, or what then has.
func (m *manager) converse(node string, said []byte, then io.Reader, down io.Writer) {
	nothing, _ := io.Pipe()
	if then == nil {
		then = nothing
	}
	ctx, err := m.d.enter()
	require.NoError(m.t, err)
	defer m.d.wg.Done()
	m.d.serve(ctx, node, netip.MustParseAddr("10.0.0.9"), io.MultiReader(bytes.NewReader(said), then), down,
		func() { nothing.CloseWithError(os.ErrDeadlineExceeded) })
}

func encoded(t *testing.T, up wire.Up) []byte {
	t.Helper()
	body, err := wire.Marshal(up)
	require.NoError(t, err)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

// maxOpens bounds the streams that wait to be asked for on one session.
const maxOpens = 128

// session is one node's connection.
//
//	hello ──(NodeStatus written)──▶ open ──(silent, closed, replaced, removed)──▶ cut
type session struct {
	id      string
	node    string
	address netip.Addr
	log     *zap.Logger
	scribe  *scribe
	timeout time.Duration // how long the node may be silent
	cancel  context.CancelCauseFunc

	heard     atomic.Int64 // Unix nanoseconds of the last message
	leaving   atomic.Bool
	committed atomic.Int64 // the store's revision of the transition to ready

	mu       sync.Mutex
	wake     chan struct{}
	snapshot *store.Snapshot
	dirty    map[string]struct{} // tasks to look at again
	renewed  bool                // something that Welcome says changed
	opens    []wire.Open
}

func newSession(node string, hello *wire.Hello, address netip.Addr, cancel context.CancelCauseFunc, d *Dispatcher) *session {
	s := &session{
		id: hello.Session, node: node, address: address, cancel: cancel, scribe: d.scribe,
		log:  d.log.With(zap.String("node", node), zap.String("session", api.ShortID(hello.Session))),
		wake: make(chan struct{}, 1), dirty: make(map[string]struct{}),
	}
	s.hear()
	return s
}

// tell notes what to send next. It never blocks.
func (s *session) tell(snapshot *store.Snapshot, tasks []string, renewed bool) {
	s.mu.Lock()
	s.snapshot = snapshot
	for _, id := range tasks {
		s.dirty[id] = struct{}{}
	}
	s.renewed = s.renewed || renewed
	s.mu.Unlock()
	s.nudge()
}

// ask queues a request for a stream.
func (s *session) ask(open wire.Open) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.opens) >= maxOpens {
		return api.Errorf(api.CodeUnavailable, "node %s has too many requests waiting", s.node)
	}
	s.opens = append(s.opens, open)
	s.nudge()
	return nil
}

func (s *session) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// cut ends the session; the reason goes to the node.
func (s *session) cut(reason error) { s.cancel(reason) }

func (s *session) hear() { s.heard.Store(time.Now().UnixNano()) }

// take empties what tell and ask noted.
func (s *session) take() (snapshot *store.Snapshot, dirty map[string]struct{}, renewed bool, opens []wire.Open) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snapshot, dirty, renewed, opens = s.snapshot, s.dirty, s.renewed, s.opens
	s.dirty, s.renewed, s.opens = make(map[string]struct{}), false, nil
	return snapshot, dirty, renewed, opens
}

// receive reads what the node says until the connection ends.
func (s *session) receive(up io.Reader) error {
	for {
		var message wire.Up
		if err := wire.Read(up, &message); err != nil {
			if errors.Is(err, io.EOF) && s.leaving.Load() {
				return errLeft
			}
			return fmt.Errorf("read from the node: %w", err)
		}
		s.hear()
		if message.Leaving {
			s.leaving.Store(true)
		}
		if message.Info != nil {
			s.scribe.writeNode(s.node, informed(s, *message.Info), nil)
		}
		if len(message.Statuses) > 0 {
			s.scribe.report(s, message.Statuses)
		}
	}
}

// send writes messages as there is something to tell, or a heartbeat.
func (s *session) send(ctx context.Context, down io.Writer) error {
	sent := newAssignments(s.node)
	ticker := time.NewTicker(s.timeout / beats)
	defer ticker.Stop()
	first, quiet := true, true
	for {
		snapshot, dirty, renewed, opens := s.take()
		var messages []wire.Down
		if first {
			messages, first = sent.full(snapshot), false
			messages[0].Welcome = s.welcome(snapshot)
		} else {
			messages = sent.delta(snapshot, dirty)
			if renewed {
				messages = append(messages, wire.Down{Welcome: s.welcome(snapshot)})
			}
		}
		for i := range opens {
			messages = append(messages, wire.Down{Open: &opens[i]})
		}
		for i := range messages {
			if err := wire.Write(down, &messages[i]); err != nil {
				return fmt.Errorf("write to the node: %w", err)
			}
			quiet = false
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.wake:
		case <-ticker.C:
			if quiet {
				if err := wire.Write(down, &wire.Down{}); err != nil {
					return fmt.Errorf("write to the node: %w", err)
				}
			}
			quiet = true
		}
	}
}

// errLeft is the end of a session that the node announced.
var errLeft = errors.New("the node's process ended on purpose")

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
	"golang.org/x/time/rate"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/api/wire/tcp"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

const (
	// perSecond is how many things a node may tell a second, saved up to burst: what
	// is more is read later, so that no node keeps the database busy alone. A node
	// that starts a thousand tasks tells some thousand things.
	perSecond = 1000
	burst     = 2 * perSecond
	// bytesPerThing is how long one thing is at most, to count as one.
	bytesPerThing = 4 << 10
	// infoCost is what news of the node itself count for.
	infoCost = 50
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
	pace    pace
	conn    *tcp.Conn // below, or nil
	cancel  context.CancelCauseFunc
	// around is what the node has been told of the networks; send's own.
	around *surroundings
	// acted is called when the node has acted on something.
	acted func()
	// asking asks the node's host whether it answers, or is nil; the Dispatcher's.
	asking *time.Timer

	budget    *rate.Limiter // how much the node may say
	began     time.Time
	heard     atomic.Int64 // nanoseconds from began to the last message: a clock may jump
	leaving   atomic.Bool
	committed atomic.Int64 // the store's revision of the transition to ready
	// overreached says that the node has given a task addresses that are not its own,
	// verbose that it has said more of itself than is kept.
	overreached, verbose atomic.Bool

	mu       sync.Mutex
	wake     chan struct{}
	snapshot *store.Snapshot
	news     news
	debts    debts
	settled  int64 // to tell the node; 0 for nothing new
	opens    []wire.Open
	info     *api.NodeInfo // to be stored, see inform
	informed time.Time     // when one was last
}

func newSession(node string, hello *wire.Hello, address netip.Addr, cancel context.CancelCauseFunc, d *Dispatcher) *session {
	s := &session{
		id: hello.Session, node: node, address: address, cancel: cancel, scribe: d.scribe, began: time.Now(),
		log:  d.log.With(zap.String("node", node), zap.String("session", api.ShortID(hello.Session))),
		wake: make(chan struct{}, 1), around: newSurroundings(node, d.audience), acted: d.nudgeSettle,
		budget: rate.NewLimiter(perSecond, burst),
	}
	return s
}

// tell notes what to send next: what changed since the revision base. It never
// blocks.
func (s *session) tell(snapshot *store.Snapshot, base int64, about *news) {
	s.mu.Lock()
	s.snapshot = snapshot
	s.news.add(about)
	if about.toDo() {
		s.debts.note(base, snapshot.Revision(), time.Now())
	}
	s.mu.Unlock()
	s.nudge()
}

// begin notes that the node is to be told everything: what it has acted on before,
// nobody knows.
func (s *session) begin(snapshot *store.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshot = snapshot
	s.debts.note(0, snapshot.Revision(), time.Now())
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

func (s *session) hear() { s.heard.Store(int64(time.Since(s.began))) }

// lastHeard is when the node last said something.
func (s *session) lastHeard() time.Time { return s.began.Add(time.Duration(s.heard.Load())) }

// work is what there is to send.
type work struct {
	snapshot *store.Snapshot
	news     news
	settled  int64
	opens    []wire.Open
}

// take empties what tell, settle and ask noted.
func (s *session) take() work {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := work{s.snapshot, s.news, s.settled, s.opens}
	s.news, s.settled, s.opens = news{}, 0, nil
	s.debts.send(w.snapshot.Revision())
	return w
}

// sent notes that messages with a revision go out, or that what was taken came to
// nothing.
func (s *session) sent(w work, messages []wire.Down) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range messages {
		if messages[i].Revision != 0 {
			s.debts.sent(messages[i].Revision)
			return
		}
	}
	if w.news.toDo() {
		s.debts.spare()
	}
}

// apply notes what the node has acted on.
func (s *session) apply(revision int64) {
	defer s.acted() // which needs no lock
	s.mu.Lock()
	defer s.mu.Unlock()
	s.debts.acted(revision)
}

func (s *session) floor(now time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.debts.floor(now)
}

// awaits is the revision that the node waits for all to have acted on; 0 for none.
func (s *session) awaits() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.debts.unsettled
}

// settle lets the node know how far all have come, if it waits for that.
func (s *session) settle(revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.debts.settle(revision) {
		s.settled = revision
		s.nudge()
	}
}

// receive reads what the node says until the connection ends.
func (s *session) receive(ctx context.Context, up io.Reader) error {
	measured := &measured{Reader: up}
	for {
		var message wire.Up
		if err := wire.Read(measured, &message); err != nil {
			if errors.Is(err, io.EOF) && s.leaving.Load() {
				return errLeft
			}
			return fmt.Errorf("read from the node: %w", err)
		}
		s.hear()
		if message.Leaving {
			s.leaving.Store(true)
		}
		if message.Applied > 0 {
			s.apply(message.Applied)
		}
		if message.Info != nil {
			s.inform(s.bounded(*message.Info))
		}
		if len(message.Statuses) > 0 {
			s.scribe.report(s, message.Statuses)
		}
		if err := s.budget.WaitN(ctx, cost(&message, measured.take())); err != nil {
			return err
		}
	}
}

// cost of a message of so many bytes. None is held up for longer than a second, which is
// no silence.
func cost(message *wire.Up, bytes int) int {
	cost := 1 + max(len(message.Statuses), bytes/bytesPerThing)
	if message.Info != nil {
		cost += infoCost
	}
	return min(cost, perSecond)
}

// send writes messages as there is something to tell, or a heartbeat.
func (s *session) send(ctx context.Context, down io.Writer) error {
	sent := newAssignments(s.node)
	beat := time.NewTimer(s.pace.next(time.Now()))
	defer beat.Stop()
	first, quiet := true, true
	for {
		w := s.take()
		messages := s.compose(w, sent, first)
		first = false
		s.sent(w, messages)
		for _, message := range messages {
			if err := s.write(down, message); err != nil {
				return fmt.Errorf("write to the node: %w", err)
			}
			quiet = false
		}
		if len(messages) > 0 && sleep.For(ctx, s.pace.gap) != nil {
			return context.Cause(ctx)
		}
		if err := s.await(ctx, down, beat, &quiet); err != nil {
			return err
		}
	}
}

// await sends heartbeats until there may be something else to tell. quiet says that
// nothing was since the last one.
func (s *session) await(ctx context.Context, down io.Writer, beat *time.Timer, quiet *bool) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.wake:
			return nil
		case <-beat.C:
			beat.Reset(s.pace.next(time.Now()))
			if *quiet {
				if err := wire.Beat(down); err != nil {
					return fmt.Errorf("write to the node: %w", err)
				}
			}
			*quiet = true
		}
	}
}

// write sends a message, in parts if it is large.
func (s *session) write(down io.Writer, message wire.Down) error {
	parts, err := message.Split()
	if err != nil {
		return err
	}
	for i := range parts {
		if err := wire.Write(down, &parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// compose makes messages of what there is to send.
func (s *session) compose(w work, sent *assignments, first bool) []wire.Down {
	var messages []wire.Down
	if first {
		messages = sent.full(w.snapshot)
		messages[0].Welcome = s.welcome(w.snapshot)
		messages[len(messages)-1].Network = s.around.full(w.snapshot)
	} else {
		messages = sent.delta(w.snapshot, w.news.tasks)
		if state := s.around.delta(w.snapshot, &w.news); !state.Empty() {
			if len(messages) == 0 {
				messages = []wire.Down{{Revision: w.snapshot.Revision()}}
			}
			messages[len(messages)-1].Network = state
		}
		if w.news.renewed {
			messages = append(messages, wire.Down{Welcome: s.welcome(w.snapshot)})
		}
	}
	if w.settled != 0 {
		messages = append(messages, wire.Down{Settled: w.settled})
	}
	for i := range w.opens {
		messages = append(messages, wire.Down{Open: &w.opens[i]})
	}
	return messages
}

// errLeft is the end of a session that the node announced.
var errLeft = errors.New("the node's process ended on purpose")

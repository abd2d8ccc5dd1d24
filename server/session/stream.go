package session

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

// streamTimeout is how long a node has to answer Open.
const streamTimeout = 10 * time.Second

// pending is a stream that a node was asked for.
//
//	asked ──(the node comes)──▶ taken, its handler waits for Close
//	  └──(timeout, caller gone, shutdown)──▶ refused
type pending struct {
	node   string
	stream chan *stream // capacity 1
	ended  chan struct{}
	once   sync.Once
}

func (p *pending) refuse() { p.once.Do(func() { close(p.ended) }) }

// Open asks a node for a stream and waits until it is there, through the manager
// that holds the node's session. The stream carries both directions at once; it
// lasts until Close, which the caller owes, or until the node ends it. ctx bounds
// only the waiting.
func (d *Dispatcher) Open(ctx context.Context, node string, open wire.Open) (io.ReadWriteCloser, error) {
	if manager := d.elsewhere(node); manager != "" {
		return d.config.Relay(ctx, manager, node, open)
	}
	return d.OpenHere(ctx, node, open)
}

// elsewhere is the manager that holds a node's session, if it is another one.
func (d *Dispatcher) elsewhere(node string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.nodes[node]; d.config.Relay == nil || d.snapshot == nil || p != nil && p.session != nil {
		return ""
	}
	status := store.Get[api.NodeStatus](d.snapshot, node)
	if status == nil || status.State != api.NodeReady || status.Manager == d.config.Node {
		return ""
	}
	return status.Manager
}

// OpenHere is Open for a node whose session this manager holds.
func (d *Dispatcher) OpenHere(ctx context.Context, node string, open wire.Open) (io.ReadWriteCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	open.ID = unguessable()
	p := &pending{node: node, stream: make(chan *stream, 1), ended: make(chan struct{})}
	if err := d.await(open, p); err != nil {
		return nil, err
	}
	defer d.abandon(open.ID, p)
	select {
	case s := <-p.stream:
		return s, nil
	case <-p.ended:
		return nil, api.Errorf(api.CodeUnavailable, "this manager is shutting down")
	case <-ctx.Done():
		if context.Cause(ctx) == context.DeadlineExceeded {
			return nil, api.Errorf(api.CodeUnavailable, "node %s did not answer within %s", d.name(node), streamTimeout)
		}
		return nil, context.Cause(ctx)
	}
}

// await registers a stream and sends the request for it.
func (d *Dispatcher) await(open wire.Open, p *pending) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	present := d.nodes[p.node]
	if d.running == nil || present == nil || present.session == nil {
		return api.Errorf(api.CodeUnavailable, "node %s is not connected to this manager", d.nameLocked(p.node))
	}
	if err := present.session.ask(open); err != nil {
		return err
	}
	d.streams[open.ID] = p
	return nil
}

// abandon makes the ID void. A stream that came at the last moment is closed.
func (d *Dispatcher) abandon(id string, p *pending) {
	d.mu.Lock()
	delete(d.streams, id)
	d.mu.Unlock()
	p.refuse()
	select {
	case s := <-p.stream: // only when Open did not take it
		s.Close()
	default:
	}
}

// ServeStream answers POST /v1/streams/{id}: only the node that was asked may
// come, once.
func (d *Dispatcher) ServeStream(w http.ResponseWriter, r *http.Request) {
	peer, err := nodePeer(r)
	if err != nil {
		Refuse(w, err)
		return
	}
	if r.ProtoMajor < 2 { // one of HTTP/1.1 does not carry both directions at once
		Refuse(w, api.Invalidf("streams are of HTTP/2"))
		return
	}
	id := r.PathValue("id")
	p := d.awaited(id, peer.ID)
	if p == nil {
		Refuse(w, api.NotFoundf("nobody waits for this stream"))
		return
	}
	s := newStream(w, r)
	w.WriteHeader(http.StatusOK)
	if err := s.control.Flush(); err != nil || !d.deliver(id, p, s) {
		return
	}
	defer s.finish()
	select {
	case <-s.closed:
	case <-r.Context().Done(): // the node or its connection is gone
	}
}

// Awaits says whether a node was asked for the stream and has not come yet.
func (d *Dispatcher) Awaits(id, node string) bool { return d.awaited(id, node) != nil }

func (d *Dispatcher) awaited(id, node string) *pending {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.streams[id]; p != nil && p.node == node {
		return p
	}
	return nil
}

// deliver hands the stream to who waits for it, if nobody came before and it is
// still wanted.
func (d *Dispatcher) deliver(id string, p *pending, s *stream) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.streams[id] != p {
		return false
	}
	delete(d.streams, id)
	p.stream <- s
	return true
}

func (d *Dispatcher) name(node string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.nameLocked(node)
}

func (d *Dispatcher) nameLocked(node string) string {
	if d.snapshot == nil {
		return api.ShortID(node)
	}
	return describe(store.Get[api.Node](d.snapshot, node), node)
}

// stream is the two bodies of a node's request as one.
type stream struct {
	body    io.ReadCloser
	w       io.Writer
	control *http.ResponseController
	closed  chan struct{}
	once    sync.Once

	mu       sync.Mutex // one Write at a time, none after the handler ended
	finished bool
	writing  bool // guarded by state
	state    sync.Mutex
}

func newStream(w http.ResponseWriter, r *http.Request) *stream {
	return &stream{body: r.Body, w: w, control: http.NewResponseController(w), closed: make(chan struct{})}
}

func (s *stream) Read(data []byte) (int, error) { return s.body.Read(data) }

func (s *stream) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished || !s.begin() {
		return 0, io.ErrClosedPipe
	}
	defer s.done()
	n, err := s.w.Write(data)
	if err != nil {
		return n, err
	}
	return n, s.control.Flush()
}

// Close ends the stream in both directions. What was written before is
// delivered; a Write that is blocked fails.
func (s *stream) Close() error {
	s.once.Do(func() {
		s.state.Lock()
		close(s.closed)
		blocked := s.writing
		s.state.Unlock()
		if blocked {
			s.control.SetWriteDeadline(time.Unix(1, 0))
		}
		s.control.SetReadDeadline(time.Unix(1, 0))
	})
	return nil
}

// begin notes that a Write goes on; it is false after Close.
func (s *stream) begin() bool {
	s.state.Lock()
	defer s.state.Unlock()
	select {
	case <-s.closed:
		return false
	default:
		s.writing = true
		return true
	}
}

func (s *stream) done() {
	s.state.Lock()
	s.writing = false
	s.state.Unlock()
}

// finish waits for a Write that goes on and forbids later ones: the handler may
// return.
func (s *stream) finish() {
	s.Close()
	s.mu.Lock()
	s.finished = true
	s.mu.Unlock()
}

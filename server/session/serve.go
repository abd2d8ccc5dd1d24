package session

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/api/wire/tcp"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

const (
	helloTimeout = 10 * time.Second
	// writeTimeout is how long a node may leave a message unread.
	writeTimeout = 30 * time.Second
	// maxWrite is the largest frame of HTTP/2: a connection keeps the memory of the
	// largest that it ever sent.
	maxWrite = 4 << 10
)

// ServeSession answers POST /v1/session. The node is who its certificate says.
func (d *Dispatcher) ServeSession(w http.ResponseWriter, r *http.Request) {
	peer, err := nodePeer(r)
	if err != nil {
		Refuse(w, err)
		return
	}
	control := http.NewResponseController(w)
	down := &flushing{w: w, control: control}
	// The status line goes at once: the node knows by it that it is heard.
	w.WriteHeader(http.StatusOK)
	if err := control.Flush(); err != nil {
		return
	}
	source, _ := netip.ParseAddrPort(r.RemoteAddr)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	unblock := func() {
		control.SetReadDeadline(time.Unix(1, 0))
		control.SetWriteDeadline(time.Now().Add(time.Second)) // enough for the reason
	}
	d.serve(ctx, peer.ID, source.Addr().Unmap(), r.Body, down, unblock)
}

// serve runs a session from its Hello to its end. unblock lets a blocked read
// return at once and a blocked write soon.
func (d *Dispatcher) serve(ctx context.Context, node string, address netip.Addr, up io.Reader, down io.Writer, unblock func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unblocked := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(unblocked)
		unblock()
	})
	defer func() {
		if !stop() {
			<-unblocked // it uses what is the handler's
		}
	}()

	var s *session
	err := d.enter()
	if err == nil {
		defer d.wg.Done()
		s, err = d.open(ctx, node, address, up, cancel)
	}
	if err == nil {
		err = d.converse(ctx, s, up, down)
		d.close(s, err)
	}
	var told *api.Error
	if errors.As(err, &told) {
		if s != nil && told.Code == api.CodeForbidden {
			// Removed: it is to run nothing for this cluster any more.
			_ = wire.Write(down, &wire.Down{Full: true})
		}
		// The node may be gone: then nobody needs the reason.
		_ = wire.Write(down, &wire.Down{Error: told})
	}
}

// open reads Hello and writes the transition to ready.
func (d *Dispatcher) open(ctx context.Context, node string, address netip.Addr, up io.Reader, cancel context.CancelCauseFunc) (*session, error) {
	late := time.AfterFunc(helloTimeout, func() { cancel(api.Errorf(api.CodeInvalid, "no hello within %s", helloTimeout)) })
	var message wire.Up
	err := wire.Read(up, &message)
	if late.Stop(); context.Cause(ctx) != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	hello := message.Hello
	switch {
	case hello == nil || len(hello.Session) < api.IDLength || len(hello.Session) > 64:
		return nil, api.Invalidf("the session must begin with a hello that has a session ID")
	case hello.Protocol > wire.Protocol:
		return nil, api.Invalidf("the node's orc is newer than the manager's: update the managers first")
	}
	s := newSession(node, hello, address, cancel, d)
	s.conn = tcp.FromContext(ctx)
	if err := d.claim(s); err != nil {
		return nil, err
	}
	if s.conn != nil && s.pace.host > 0 {
		if err := s.conn.Watch(s.pace.host); err != nil {
			s.log.Warn("only heartbeats will tell when the node's host is gone", zap.Error(err))
		}
	}
	revision, err := d.scribe.writeNodeAndWait(ctx, node, arrived(ctx, s, hello.Info, d.config.Node))
	if err != nil {
		d.close(s, err)
		return nil, err
	}
	s.committed.Store(revision)
	if len(message.Statuses) > 0 {
		d.scribe.report(s, message.Statuses)
	}
	return s, nil
}

// converse sends and receives until either ends.
func (d *Dispatcher) converse(ctx context.Context, s *session, up io.Reader, down io.Writer) error {
	received := make(chan struct{})
	go func() {
		defer close(received)
		s.cancel(s.receive(ctx, up))
	}()
	d.mu.Lock()
	s.begin(d.snapshot)
	d.mu.Unlock()
	s.log.Info("node is connected", zap.Stringer("from", s.address))
	err := s.send(ctx, down)
	s.cancel(err)
	<-received
	return context.Cause(ctx)
}

// welcome makes the answer to Hello, which is sent again when it changes.
func (s *session) welcome(snapshot *store.Snapshot) *wire.Welcome {
	welcome := &wire.Welcome{Heartbeat: s.pace.beat, Timeout: s.pace.timeout, Host: s.pace.host, Managers: Managers(snapshot)}
	if node := store.Get[api.Node](snapshot, s.node); node != nil {
		welcome.Node = *node
	}
	if cluster := store.Get[api.Cluster](snapshot, api.ClusterID); cluster != nil {
		welcome.Cluster, welcome.Roots, welcome.DataPort = cluster.Identity, cluster.Roots, cluster.Settings.Data()
	}
	return welcome
}

// nodePeer checks that a request comes from a node, on a connection that can
// carry both directions at once.
func nodePeer(r *http.Request) (ca.Peer, error) {
	if err := ca.Require(r.Context(), ca.RoleManager, ca.RoleWorker); err != nil {
		return ca.Peer{}, err
	}
	if r.ProtoMajor < 2 {
		return ca.Peer{}, api.Invalidf("nodes must speak HTTP/2")
	}
	peer, _ := ca.PeerFrom(r.Context())
	return peer, nil
}

// flushing writes whole messages through to the connection.
type flushing struct {
	w       io.Writer
	control *http.ResponseController
}

func (f *flushing) Write(data []byte) (int, error) {
	if err := f.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	written := 0
	for chunk := range slices.Chunk(data, maxWrite) {
		n, err := f.w.Write(chunk)
		if written += n; err != nil {
			return written, err
		}
	}
	return written, f.control.Flush()
}

package session

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/api/wire/tcp"
	"github.com/orc-project/orc/api/wire/upgrade"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

const helloTimeout = 10 * time.Second

// ServeSession answers POST /v1/session by taking the connection, which is the
// session's from then on: an HTTP/2 stream would cost a manager twice the memory.
// The node is who its certificate says.
func (d *Dispatcher) ServeSession(w http.ResponseWriter, r *http.Request) {
	peer, err := nodePeer(r)
	if err != nil {
		Refuse(w, err)
		return
	}
	ctx, err := d.enter()
	if err != nil {
		Refuse(w, err)
		return
	}
	conn, err := upgrade.Accept(w, r)
	if err != nil {
		d.wg.Done()
		Refuse(w, err)
		return
	}
	source, _ := netip.ParseAddrPort(r.RemoteAddr)
	go func() {
		defer d.wg.Done()
		line := &line{Conn: conn, farewell: farewell}
		defer line.hangUp()
		d.serve(tcp.WithConn(ctx, conn), peer.ID, source.Addr().Unmap(), line, line, line.unblock)
	}()
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
	log := d.log.With(zap.String("node", node))
	err := guarded(log, func() (err error) {
		s, err = d.open(ctx, node, address, up, cancel)
		return err
	})
	if err == nil {
		err = d.converse(ctx, s, up, down)
		d.close(s, err)
	}
	var told *api.Error
	if errors.As(err, &told) {
		// The node may be gone: then nobody needs the reason.
		_ = guarded(log, func() error { return parting(down, s, told) })
	}
}

// parting tells the node why its session ends. s is nil if it never began.
func parting(down io.Writer, s *session, why *api.Error) error {
	if s != nil && why.Code == api.CodeForbidden {
		// Removed: it is to run nothing for this cluster any more.
		if err := wire.Write(down, &wire.Down{Full: true}); err != nil {
			return err
		}
	}
	return wire.Write(down, &wire.Down{Error: why})
}

// open reads Hello and writes the transition to ready.
func (d *Dispatcher) open(ctx context.Context, node string, address netip.Addr, up io.Reader, cancel context.CancelCauseFunc) (_ *session, err error) {
	defer d.begins(node, cancel)()
	if context.Cause(ctx) != nil {
		return nil, context.Cause(ctx)
	}
	late := time.AfterFunc(helloTimeout, func() { cancel(api.Errorf(api.CodeInvalid, "no hello within %s", helloTimeout)) })
	var message wire.Up
	err = wire.ReadHello(up, &message)
	if late.Stop(); context.Cause(ctx) != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, api.Invalidf("read the hello: %w", err)
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
	opened := false
	defer func() {
		if !opened {
			d.close(s, cmp.Or(err, errFault))
		}
	}()
	if s.conn != nil && s.pace.host > 0 {
		if err := s.conn.Watch(s.pace.host); err != nil {
			s.log.Warn("only heartbeats will tell when the node's host is gone", zap.Error(err))
		}
	}
	revision, err := d.scribe.writeNodeAndWait(ctx, node, arrived(ctx, s, s.bounded(hello.Info), d.config.Node))
	if err != nil {
		return nil, err
	}
	s.hear() // what kept it waiting was the database
	s.committed.Store(revision)
	// Another manager may have told the node of tasks that this one has not heard of
	// yet, though not of any that are newer than its session.
	if _, err := d.config.Store.WaitFor(ctx, revision); err != nil {
		return nil, cmp.Or(context.Cause(ctx), err)
	}
	s.hear()
	if len(message.Statuses) > 0 {
		d.scribe.report(s, message.Statuses)
	}
	opened = true
	return s, nil
}

// converse sends and receives until either ends.
func (d *Dispatcher) converse(ctx context.Context, s *session, up io.Reader, down io.Writer) error {
	received := make(chan struct{})
	go func() {
		defer close(received)
		s.cancel(guarded(s.log, func() error { return s.receive(ctx, up) }))
	}()
	s.log.Info("node is connected", zap.Stringer("from", s.address))
	err := guarded(s.log, func() error {
		if err := d.tellAll(ctx, s); err != nil {
			return err
		}
		return s.send(ctx, down)
	})
	s.cancel(err)
	<-received
	return context.Cause(ctx)
}

// tellAll has a session begin with what is so now: at least what was when the session
// began, or the node would be told to end what it has only just been given elsewhere.
func (d *Dispatcher) tellAll(ctx context.Context, s *session) error {
	for {
		newer := d.tryTellAll(s)
		if newer == nil {
			return nil
		}
		select {
		case <-newer:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tryTellAll returns nil, or what is closed when it may be tried again.
func (d *Dispatcher) tryTellAll(s *session) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.snapshot.Revision() < s.committed.Load() {
		return d.newer
	}
	s.begin(d.snapshot)
	return nil
}

// welcome makes the answer to Hello, which is sent again when it changes.
func (s *session) welcome(snapshot *store.Snapshot) *wire.Welcome {
	welcome := &wire.Welcome{Heartbeat: s.pace.beat, Timeout: s.pace.timeout, Host: s.pace.host, Managers: Managers(snapshot)}
	welcome.Retry = retryOf(snapshot)
	if node := store.Get[api.Node](snapshot, s.node); node != nil {
		welcome.Node = *node
	}
	told := toldOf(store.Get[api.Cluster](snapshot, api.ClusterID))
	welcome.Cluster, welcome.Roots, welcome.DataPort = told.identity, []byte(told.roots), told.dataPort
	welcome.Issuer, welcome.RenewWithin = told.issuer, renewWithin(snapshot)
	return welcome
}

// told is what a welcome has of the cluster's object. Each host that joins changes other
// things in that, of which nobody has to hear.
type told struct {
	identity, roots, issuer string
	dataPort                uint16
}

func toldOf(object api.Object) told {
	cluster, _ := object.(*api.Cluster)
	if cluster == nil {
		return told{}
	}
	return told{cluster.Identity, string(cluster.Roots), cluster.CA.Issuer, cluster.Settings.Data()}
}

// retryOf is the longest pause between a node's tries in a cluster of so many: managers
// that have just come back are asked some thousand times a second at most. It is whole
// seconds, so that hardly any node that comes changes it for all.
func retryOf(snapshot *store.Snapshot) time.Duration {
	nodes := time.Duration(heardOf(snapshot)) * time.Millisecond
	return min(max((nodes+time.Second-1).Truncate(time.Second), time.Second), 5*time.Second)
}

// nodePeer checks that a request comes from a node.
func nodePeer(r *http.Request) (ca.Peer, error) {
	if err := ca.Require(r.Context(), ca.RoleManager, ca.RoleWorker); err != nil {
		return ca.Peer{}, err
	}
	peer, _ := ca.PeerFrom(r.Context())
	return peer, nil
}

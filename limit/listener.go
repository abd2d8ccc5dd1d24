package limit

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/sleep"
)

// Listener accepts TLS connections whose handshakes are done: what is half open, or
// no TLS at all, does not reach the server behind it.
type Listener struct {
	net.Listener
	gate   *Gate
	config *tls.Config
	proven func(tls.ConnectionState) (string, bool)
	log    *zap.Logger

	ready  chan net.Conn
	ctx    context.Context // of the handshakes
	cancel context.CancelFunc
	done   sync.WaitGroup
	once   sync.Once
	closed error
}

// Listen limits a listener. proven tells who the other end of a connection has
// proved to be; everybody else is a stranger. Close closes the listener below, and
// waits for the handshakes that it cuts.
func (g *Gate) Listen(below net.Listener, config *tls.Config, proven func(tls.ConnectionState) (string, bool), log *zap.Logger) *Listener {
	l := &Listener{Listener: below, gate: g, config: config, proven: proven, log: log, ready: make(chan net.Conn)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.done.Go(l.run)
	return l
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.ready:
		return conn, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.cancel()
		l.closed = l.Listener.Close()
		l.done.Wait()
	})
	return l.closed
}

// run accepts until the listener below is closed.
func (l *Listener) run() {
	const first, last = 5 * time.Millisecond, time.Second
	wait := first
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || l.ctx.Err() != nil {
				l.cancel()
				return
			}
			// Most often there is no file descriptor left: it passes.
			l.log.Warn("cannot accept connections", zap.Error(err), zap.Duration("again in", wait))
			_ = sleep.For(l.ctx, wait) // its end is seen above
			wait = min(2*wait, last)
			continue
		}
		wait = first
		conn, oldest := l.gate.admit(raw)
		if oldest != nil {
			l.log.Debug("too many strangers: the oldest goes", zap.Stringer("from", oldest.RemoteAddr()))
			oldest.Close()
		}
		if conn == nil {
			raw.Close()
			continue
		}
		l.done.Go(func() { l.shake(conn) })
	}
}

// shake does a connection's handshake and hands it on.
func (l *Listener) shake(conn *connection) {
	secure := tls.Server(conn, l.config)
	ctx, cancel := context.WithTimeout(l.ctx, l.gate.limits.HandshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		l.log.Debug("a handshake failed", zap.Stringer("from", conn.RemoteAddr()), zap.Error(err))
		conn.Close()
		return
	}
	if name, ok := l.proven(secure.ConnectionState()); !ok {
		conn.hurry(l.gate.limits.StrangerLife)
	} else {
		oldest, err := conn.prove(name)
		if oldest != nil {
			l.log.Warn("too many connections: one of the certificate that has most goes", zap.Stringer("from", oldest.RemoteAddr()))
			oldest.Close()
		}
		if errors.Is(err, errTooMany) {
			l.log.Warn(err.Error(), zap.String("name", name), zap.Stringer("from", conn.RemoteAddr()))
		}
		if err != nil {
			conn.Close()
			return
		}
	}
	select {
	case l.ready <- secure:
	case <-l.ctx.Done():
		conn.Close()
	}
}

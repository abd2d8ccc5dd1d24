package limit

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
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
		conn := l.gate.admit(raw)
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
	} else if !conn.prove(name) {
		l.log.Warn("too many connections by one certificate", zap.String("name", name), zap.Stringer("from", conn.RemoteAddr()))
		conn.Close()
		return
	}
	select {
	case l.ready <- secure:
	case <-l.ctx.Done():
		conn.Close()
	}
}

// connection is one that counts for its source or, when it is proven, its name.
type connection struct {
	net.Conn
	gate   *Gate
	source netip.Prefix

	mu     sync.Mutex
	name   string
	proven bool
	closed bool
	end    *time.Timer
}

// NetConn is the connection below.
func (c *connection) NetConn() net.Conn { return c.Conn }

// admit counts a new connection for its source; nil if there is no room for it.
func (g *Gate) admit(raw net.Conn) *connection {
	source := sourceOf(raw.RemoteAddr())
	g.mu.Lock()
	defer g.mu.Unlock()
	from := g.source(source)
	if g.strangers >= g.limits.AllStrangers || from.connections >= g.limits.Strangers || !from.handshakes.Allow() {
		return nil
	}
	g.strangers++
	from.connections++
	return &connection{Conn: raw, gate: g, source: source}
}

func sourceOf(address net.Addr) netip.Prefix {
	if tcp, ok := address.(*net.TCPAddr); ok {
		return Source(tcp.AddrPort().Addr())
	}
	return netip.Prefix{}
}

// prove lets the connection count for a name from now on, unless that has too many.
func (c *connection) prove(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	to := c.gate.name(name)
	if c.closed || to.connections >= c.gate.limits.Connections {
		return false
	}
	to.connections++
	c.gate.leave(c.source)
	c.name, c.proven = name, true
	return true
}

// leave takes a stranger from its source's account; mu is held.
func (g *Gate) leave(source netip.Prefix) {
	g.strangers--
	g.source(source).connections--
}

// hurry ends the connection after a while, whatever is going on.
func (c *connection) hurry(life time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.end = time.AfterFunc(life, func() { c.Close() })
	}
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		if c.end != nil {
			c.end.Stop()
		}
		c.gate.mu.Lock()
		if c.proven {
			c.gate.name(c.name).connections--
		} else {
			c.gate.leave(c.source)
		}
		c.gate.mu.Unlock()
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

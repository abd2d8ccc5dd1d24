package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire/tcp"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/sleep"
)

const (
	// localConnections are those at once on a unix socket.
	localConnections = 16384
	headerTimeout    = 10 * time.Second // of the TLS handshake too
	idleTimeout      = 2 * time.Minute
	shutdownGrace    = 2 * time.Second
	// lastWords is how long an answer takes from the end of its handler to the
	// client.
	lastWords = 100 * time.Millisecond
	// maxStreams on one connection, each with a window of streamWindow: a stream
	// that nobody reads must not fill the connection's window, or it would hold up the
	// others.
	maxStreams   = 250
	streamWindow = 256 << 10
)

// Listen opens the manager's address.
func Listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, api.Conflictf("%s is taken: stop what listens there, or choose another --listen address", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}

// ListenUnix opens the socket that only root may use. What is left of an earlier
// one is replaced: the caller holds the data directory's lock.
func ListenUnix(path string) (net.Listener, error) {
	// Made where nobody else can reach it, until its mode is right.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, fmt.Errorf("make the socket: %w", err)
	}
	defer os.RemoveAll(dir)
	private := filepath.Join(dir, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("make the socket %s: %w", path, err)
	}
	listener.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(private, 0o600), os.Rename(private, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("make the socket: %w", err), listener.Close())
	}
	return listener, nil
}

// ServeLocal answers on the unix socket of a node that is no manager, until ctx
// ends.
func ServeLocal(ctx context.Context, handler http.Handler, listener net.Listener, log *zap.Logger) error {
	return serve(ctx, local(handler, log), bounded(listener, localConnections))
}

// ServeRemote answers at the address of a manager that has not begun, until ctx
// ends: who asks must not be kept waiting, for another manager may answer.
func ServeRemote(ctx context.Context, limits limit.Limits, handler http.Handler, listener net.Listener, credentials *ca.Credentials, log *zap.Logger) error {
	return serveRemote(ctx, limit.NewGate(limits), handler, listener, credentials, log)
}

// local is the HTTP server on the unix socket: whoever can open it is root.
func local(handler http.Handler, log *zap.Logger) *http.Server {
	server := newServer(handler, log)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return ca.WithPeer(ctx, ca.Peer{ID: "root", Role: ca.RoleLocal})
	}
	return server
}

// serveRemote runs the HTTP server for nodes and clients elsewhere.
func serveRemote(ctx context.Context, gate *limit.Gate, handler http.Handler, listener net.Listener, credentials *ca.Credentials, log *zap.Logger) error {
	server := newServer(handler, log)
	server.Protocols.SetHTTP2(true)
	server.TLSConfig = credentials.Server()
	proven := func(state tls.ConnectionState) (string, bool) {
		peer, ok := ca.PeerOf(&state)
		return nameOf(peer), ok
	}
	return serve(ctx, server, gate.Listen(bounded(listener, gate.Most()), server.TLSConfig, proven, log.Named("http")))
}

// nameOf is what a certificate's connections are counted by.
func nameOf(peer ca.Peer) string { return peer.Role + "/" + peer.ID }

func newServer(handler http.Handler, log *zap.Logger) *http.Server {
	// What strangers do to the port is nothing an operator must read.
	quiet, _ := zap.NewStdLogAt(log.Named("http"), zap.DebugLevel)
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 64 << 10,
		ErrorLog: quiet, Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerStream: streamWindow,
			MaxReceiveBufferPerConnection: (maxStreams + 1) * streamWindow,
			SendPingTimeout:               15 * time.Second, PingTimeout: 15 * time.Second,
		},
	}
	server.Protocols.SetHTTP1(true)
	return server
}

// serve runs an HTTP server until ctx ends; requests are cancelled with it.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	requests := &counter{}
	server.Handler = requests.count(server.Handler)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		// Shutdown takes a second or two with HTTP/2 connections, busy or not.
		go func() {
			defer cancel()
			requests.wait(grace)
		}()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
	})
	err := server.Serve(listener)
	if stop() {
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err) // it ended by itself
	}
	<-ended
	return ctx.Err()
}

// counter counts the requests that are being answered.
type counter struct{ now atomic.Int64 }

func (c *counter) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.now.Add(1)
		defer c.now.Add(-1)
		next.ServeHTTP(w, r)
	})
}

// wait returns when there has been none for a moment, or with ctx.
func (c *counter) wait(ctx context.Context) {
	for since := time.Now(); time.Since(since) < lastWords; {
		if sleep.For(ctx, lastWords/10) != nil {
			return
		}
		if c.now.Load() > 0 {
			since = time.Now()
		}
	}
}

// bounded bounds the connections that are open at once.
func bounded(listener net.Listener, most int) net.Listener {
	return &limitedListener{Listener: listener, slots: make(chan struct{}, most)}
}

type limitedListener struct {
	net.Listener
	slots chan struct{}
}

// Accept closes connections above the limit at once: waiting would hold up those
// that come when there is room again.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{Conn: tcp.New(conn), release: func() { <-l.slots }}, nil
		default:
			conn.Close()
		}
	}
}

type limitedConn struct {
	*tcp.Conn
	once    sync.Once
	release func()
}

// NetConn is the connection itself.
func (c *limitedConn) NetConn() net.Conn { return c.Conn }

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}

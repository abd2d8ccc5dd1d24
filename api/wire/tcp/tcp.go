// Package tcp lets the kernel find out whether the other end's host is still there,
// which costs no process anything. It knows nothing of what a connection carries.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a TCP connection that knows whether it broke because the other host was
// silent. What wraps it gives it by NetConn.
type Conn struct {
	net.Conn
	silent atomic.Bool
}

// New makes a Conn.
func New(conn net.Conn) *Conn { return &Conn{Conn: conn} }

// probes is how many of the kernel's questions go unanswered before a host is gone.
const probes = 3

// Watch breaks the connection once the other host's kernel has said nothing for that
// long, whatever its processes do (RFC 5482; tcp(7), TCP_USER_TIMEOUT). One whose
// process has left so much unread for that long that nothing more can be sent breaks
// too, but is not Silent.
func (c *Conn) Watch(silence time.Duration) error {
	between := max(1, int(silence/time.Second)/probes) // the kernel knows whole seconds
	var failed error
	err := c.control(func(fd int) {
		for _, option := range []struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, between},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, between},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probes},
			{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds())},
		} {
			failed = errors.Join(failed, os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, option.level, option.name, option.value)))
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("watch the connection: %w", err)
	}
	return nil
}

// control calls f with the kernel's handle of the connection.
func (c *Conn) control(f func(fd int)) error {
	below, ok := c.Conn.(syscall.Conn)
	if !ok {
		return errors.New("it is none of the kernel's")
	}
	raw, err := below.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

// Silent says whether the connection broke because nothing came from the other host.
func (c *Conn) Silent() bool { return c.silent.Load() }

// Read implements net.Conn.
func (c *Conn) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	return n, c.note(err)
}

// Write implements net.Conn.
func (c *Conn) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	return n, c.note(err)
}

// note remembers how a host that is gone shows: the kernel gives what it met last on
// the way there, a router's answer or its own, and else a timeout.
func (c *Conn) note(err error) error {
	for _, gone := range []error{syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, gone) && !c.full() {
			c.silent.Store(true)
		}
	}
	return err
}

// full says whether the other end had no room for more when it was last heard. Its
// kernel's answers to the probes of such a window do not keep a connection for longer
// than Watch's silence (tcp_probe_timer in Linux), though the host is there.
func (c *Conn) full() bool {
	full := false
	err := c.control(func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		full = err == nil && info.Snd_wnd == 0
	})
	return err == nil && full
}

// Closed says whether the other end has closed the connection, though nobody has read
// that far.
func (c *Conn) Closed() bool {
	closed := false
	err := c.control(func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		closed = err == nil && info.State != unix.BPF_TCP_ESTABLISHED
	})
	return err == nil && closed
}

type contextKey struct{}

// WithConn lets those who answer a request know the Conn that it came on: conn or
// what it wraps.
func WithConn(ctx context.Context, conn net.Conn) context.Context {
	for conn != nil {
		if found, ok := conn.(*Conn); ok {
			return context.WithValue(ctx, contextKey{}, found)
		}
		wrapper, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = wrapper.NetConn()
	}
	return ctx
}

// FromContext returns what WithConn found, or nil.
func FromContext(ctx context.Context) *Conn {
	found, _ := ctx.Value(contextKey{}).(*Conn)
	return found
}

// Package hosts finds out whether another host is there although none of its processes
// says so: its kernel answers for it. It knows no nodes and decides nothing about them.
package hosts

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// Port is the TCP port that hosts are asked at. Nobody listens there, and nobody needs
// to: that a kernel refuses a connection (RFC 9293, section 3.10.7.1) proves as much as
// that it accepts one.
const Port = 6722

// ErrSilent is that nothing came from the host in time.
var ErrSilent = errors.New("the host does not answer")

// Ask asks a host once, until ctx ends. It returns nil when the host answered, ErrSilent
// when it did not, and anything else when it could not be asked.
type Ask func(ctx context.Context, host netip.Addr) error

// TCP is Ask by a try to connect, which needs no privilege.
func TCP(ctx context.Context, host netip.Addr) error { return ask(ctx, netip.AddrPortFrom(host, Port)) }

func ask(ctx context.Context, at netip.AddrPort) error {
	dialer := net.Dialer{KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", at.String())
	var timeout net.Error
	switch {
	case err == nil:
		if accepted, ok := conn.(*net.TCPConn); ok {
			_ = accepted.SetLinger(0) // nothing is to be remembered of it: no TIME-WAIT
		}
		conn.Close()
		return nil
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return ErrSilent
	}
	// A router or a firewall says that there is no way, or this host lacks something.
	return err
}

// Answer asks a few times, for packets get lost, whether a host answers at all, and as
// promptly as a Vigil wants it to.
func Answer(ctx context.Context, ask Ask, host netip.Addr, silence Silence) bool {
	const tries = 3
	for range tries {
		timed, cancel := context.WithTimeout(ctx, silence.prompt())
		err := ask(timed, host)
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}

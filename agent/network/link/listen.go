package link

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listen is net.Listen in the router's namespace. The address need not be there
// (yet).
func (n *Node) Listen(network, address string) (net.Listener, error) {
	var listener net.Listener
	err := within(n.router.fd, func() (err error) {
		listener, err = anyAddress.Listen(context.Background(), network, address)
		return err
	})
	return listener, err
}

// ListenPacket is net.ListenPacket in the router's namespace. The address need not
// be there (yet).
func (n *Node) ListenPacket(network, address string) (net.PacketConn, error) {
	var conn net.PacketConn
	err := within(n.router.fd, func() (err error) {
		conn, err = anyAddress.ListenPacket(context.Background(), network, address)
		return err
	})
	return conn, err
}

// anyAddress binds to addresses that the namespace does not have.
var anyAddress = net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
	var err error
	if e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
	}); e != nil {
		return e
	}
	return err
}}

package member

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"golang.org/x/sys/unix"
)

// rtoMax is the longest that the kernel waits before it sends again what was not
// acknowledged; it is the least that Linux lets one ask for. By default the wait
// doubles up to two minutes: a manager whose cable was loose for four seconds would
// hear from the leader another eight seconds later.
const rtoMax = time.Second

// patience is how long the kernel goes on to send what was not acknowledged, after this
// end was closed too. By default it gives up some 15 s after a cut, about which it can
// tell nobody: who dialled, and only reads, would find out by its keepalive, 30 s after
// the last byte (etcd means to give such connections deadlines, but sets them on a Dial
// that net/http does not use beside a DialContext). With patience the stream goes on
// within rtoMax after the cut. It is longer than what a keepalive takes to give up, nine
// times 15 s after the 30: after that, who dialled dials again.
const patience = 3 * time.Minute

// newListener listens for other members. On a stream between two of them the one
// that accepted it sends, so its end of the connection matters.
func newListener(address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { // what is accepted inherits it
			// Where it is not to be had, as in Linux before 6.15, the wait doubles.
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, int(rtoMax.Milliseconds()))
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(patience.Milliseconds()))
		})
	}}
	config.SetMultipathTCP(false) // its sockets do not have the option
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the other managers: %w", err)
	}
	return peers{listener}, nil
}

// peers makes connections that break as those of etcd's own listener do when the other
// end neither sends nor takes anything. Where only this end sends it is never read from,
// and breaks when there is no room for more to send.
type peers struct{ net.Listener }

// Accept implements net.Listener.
func (p peers) Accept() (net.Conn, error) {
	conn, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return peer{conn}, nil
}

type peer struct{ net.Conn }

// Read implements net.Conn.
func (p peer) Read(data []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(rafthttp.ConnReadTimeout)); err != nil {
		return 0, err
	}
	return p.Conn.Read(data)
}

// Write implements net.Conn.
func (p peer) Write(data []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(rafthttp.ConnWriteTimeout)); err != nil {
		return 0, err
	}
	return p.Conn.Write(data)
}

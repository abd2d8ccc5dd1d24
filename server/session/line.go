package session

import (
	"io"
	"net"
	"sync"
	"time"
)

const (
	// writeTimeout is how long a node may leave a message unread at least; it is given
	// half as long again, so that not every heartbeat has to move the deadline.
	writeTimeout = 30 * time.Second
	// farewell is how long the end of a session may take: the reason is written, and the
	// node closes the connection when it has read it.
	farewell = time.Second
)

// line is a session's connection.
type line struct {
	net.Conn
	farewell time.Duration
	mu       sync.Mutex
	ending   bool
	deadline time.Time // of Write
}

// Write implements io.Writer.
func (l *line) Write(data []byte) (int, error) {
	if err := l.extend(); err != nil {
		return 0, err
	}
	return l.Conn.Write(data)
}

// extend gives the node time again, unless the session ends.
func (l *line) extend() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.ending || l.deadline.Sub(now) >= writeTimeout {
		return nil
	}
	l.deadline = now.Add(writeTimeout * 3 / 2)
	return l.SetWriteDeadline(l.deadline)
}

// unblock lets a Read return at once and Writes soon. The connection is for the
// reason of the end alone from now on; what fails shows there.
func (l *line) unblock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	l.SetReadDeadline(time.Unix(1, 0))
	l.SetWriteDeadline(time.Now().Add(l.farewell))
}

// hangUp closes the connection when the node has, but soon. To close it at once would
// break it off when something that came is unread (RFC 1122, section 4.2.2.13), and the
// node might not hear the reason.
func (l *line) hangUp() {
	defer l.Close()
	late := time.AfterFunc(l.farewell, func() { below(l.Conn).Close() })
	defer late.Stop()
	if closer, ok := l.Conn.(interface{ CloseWrite() error }); !ok || closer.CloseWrite() != nil {
		return
	}
	if l.SetReadDeadline(time.Now().Add(l.farewell)) == nil {
		io.Copy(io.Discard, l.Conn) // its error is that the node is gone
	}
}

// below is what a TLS connection is made on: closing it waits for nothing.
func below(conn net.Conn) net.Conn {
	if wrapper, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return wrapper.NetConn()
	}
	return conn
}

package session

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// connect makes both ends of a TCP connection.
func connect(t *testing.T, farewell time.Duration) (*line, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	node, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { node.Close() })
	conn, err := listener.Accept()
	require.NoError(t, err)
	return &line{Conn: conn, farewell: farewell}, node
}

func TestTheReasonOfTheEndIsHeardThoughTheNodeSaidMore(t *testing.T) {
	l, node := connect(t, time.Minute)
	_, err := io.WriteString(node, "unread")
	require.NoError(t, err)
	l.unblock()
	_, err = io.WriteString(l, "reason")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.hangUp()
	}()
	heard, err := io.ReadAll(node)
	require.NoError(t, err)
	require.Equal(t, "reason", string(heard))
	require.NoError(t, node.Close())
	<-ended
}

func TestANodeThatReadsNothingDoesNotHoldTheEndUp(t *testing.T) {
	l, _ := connect(t, farewell)
	failed := make(chan error, 1)
	begun := make(chan struct{}, 1)
	go func() {
		var err error
		for err == nil {
			_, err = l.Write(make([]byte, 1<<20))
			select {
			case begun <- struct{}{}:
			default:
			}
		}
		failed <- err
	}()
	<-begun
	l.unblock()
	require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded, "a write that was blocked fails")
	_, err := l.Write([]byte("reason"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "and nothing gives it time again")
	l.hangUp()
	_, err = l.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
}

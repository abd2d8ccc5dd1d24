package tcp

import (
	"context"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestAHostThatIsSilentIsGone takes the loopback link of a network namespace of its
// own away: the other end's process is there, and nothing comes from it any more.
func TestAHostThatIsSilentIsGone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a network namespace needs root")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNET))
	setLoopback(t, true)
	conn := watched(t)

	_, err := conn.Write([]byte("there?"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(2500*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "its kernel answers, though it says nothing")
	require.False(t, conn.Silent())

	setLoopback(t, false)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = conn.Write([]byte("there?"))
	require.NoError(t, err)
	began := time.Now()
	_, err = conn.Read(make([]byte, 1))
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.True(t, conn.Silent(), "%v", err)
	t.Logf("after %s: %v", time.Since(began), err)
}

// TestAProcessThatReadsNothingIsNoSilentHost fills the other end's buffer: the kernel
// gives up on it, and still the host is there.
func TestAProcessThatReadsNothingIsNoSilentHost(t *testing.T) {
	conn := watched(t)
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))

	began := time.Now()
	var err error
	for err == nil {
		_, err = conn.Write(make([]byte, 64<<10))
	}
	t.Logf("after %s: %v", time.Since(began), err)
	require.ErrorIs(t, err, unix.ETIMEDOUT, "this is what the kernel does")
	require.False(t, conn.Silent())
}

func TestThatTheOtherEndClosedIsKnownBeforeItIsRead(t *testing.T) {
	conn, other := pair(t)
	_, err := other.Write([]byte("unread"))
	require.NoError(t, err)
	require.False(t, conn.Closed())
	require.NoError(t, other.Close())
	require.Eventually(t, conn.Closed, time.Minute, time.Millisecond)
}

// watched is a connection whose other end, which says and reads nothing, is gone after a
// second of silence.
func watched(t *testing.T) *Conn {
	t.Helper()
	conn, _ := pair(t)
	require.NoError(t, conn.Watch(time.Second))
	return conn
}

func pair(t *testing.T) (conn *Conn, other net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	other, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { other.Close() })
	accepted, err := listener.Accept()
	require.NoError(t, err)
	conn = New(accepted)
	t.Cleanup(func() { conn.Close() })
	return conn, other
}

func setLoopback(t *testing.T, up bool) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	require.NoError(t, err)
	if up {
		request.SetUint16(unix.IFF_UP)
	}
	require.NoError(t, unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request))
}

func TestAConnIsFoundBelowOthers(t *testing.T) {
	conn, other := net.Pipe()
	defer conn.Close()
	defer other.Close()
	below := New(conn)
	require.Same(t, below, FromContext(WithConn(t.Context(), wrapped{wrapped{below}})))
	require.Nil(t, FromContext(WithConn(t.Context(), conn)))
	require.Nil(t, FromContext(context.Background()))
	require.Error(t, below.Watch(time.Second), "no kernel knows it")
}

type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

package member

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestWhatAnotherMemberMissedIsSentAgainWithinASecond(t *testing.T) {
	listener, err := newListener("127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer dialed.Close()
	accepted, err := listener.Accept()
	require.NoError(t, err)
	defer accepted.Close()

	raw, err := accepted.(peer).Conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	var most int
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) {
		most, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS)
	}))
	if failed == unix.ENOPROTOOPT {
		t.Skip("NOT TESTED: it takes Linux 6.15")
	}
	require.NoError(t, os.NewSyscallError("getsockopt", failed))
	require.Equal(t, rtoMax.Milliseconds(), int64(most))

	_, err = dialed.Write([]byte("a"))
	require.NoError(t, err)
	data := make([]byte, 1)
	_, err = accepted.Read(data)
	require.NoError(t, err)
	_, err = accepted.Write(data)
	require.NoError(t, err)
}

package hosts

import (
	"context"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestAKernelAnswersWhoeverListens asks this host's own, over IPv4 and IPv6.
func TestAKernelAnswersWhoeverListens(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
		if err != nil {
			t.Logf("NOT TESTED: %v", err)
			continue
		}
		at := listener.Addr().(*net.TCPAddr).AddrPort()
		require.NoError(t, ask(t.Context(), at), "it accepts")
		require.NoError(t, listener.Close())
		require.NoError(t, ask(t.Context(), at), "it refuses")
		require.NoError(t, TCP(t.Context(), at.Addr()))
	}
}

// TestWhatIsDroppedIsSilence lets a kernel drop questions, which it does when a listener
// has as many connections waiting as it wants.
func TestWhatIsDroppedIsSilence(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(fd, 0))
	name, err := unix.Getsockname(fd)
	require.NoError(t, err)
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*unix.SockaddrInet4).Port))
	waiting, err := net.Dial("tcp", at.String())
	require.NoError(t, err)
	defer waiting.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, ask(ctx, at), ErrSilent)
}

func TestAHostThatCannotBeAskedIsNotSilent(t *testing.T) {
	err := ask(t.Context(), netip.MustParseAddrPort("255.255.255.255:1"))
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrSilent)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

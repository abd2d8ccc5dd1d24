package member

import (
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// link is a network of its own, which can be cut.
type link struct {
	*testing.T
	space netns.NsHandle
}

func newLink(t *testing.T) *link {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: it takes root to cut a link")
	}
	l := &link{T: t}
	l.on(func() (err error) {
		if l.space, err = netns.New(); err != nil {
			return err
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	t.Cleanup(func() { require.NoError(t, l.space.Close()) })
	return l
}

// on calls a function on a thread of the link's namespace, which ends with it.
func (l *link) on(do func() error) {
	l.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if l.space != 0 {
			if err := netns.Set(l.space); err != nil {
				done <- err
				return
			}
		}
		done <- do()
	}()
	require.NoError(l, <-done)
}

// cut loses everything, and tells nobody.
func (l *link) cut() {
	l.Helper()
	l.on(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Name: "cut", Family: nftables.TableFamilyIPv4})
		chain := c.AddChain(&nftables.Chain{
			Name: "input", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
		})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}})
		return c.Flush()
	})
}

func (l *link) heal() {
	l.Helper()
	l.on(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		c.DelTable(&nftables.Table{Name: "cut", Family: nftables.TableFamilyIPv4})
		return c.Flush()
	})
}

// connect dials a listener as etcd does.
func (l *link) connect() (dialled, accepted net.Conn) {
	l.Helper()
	l.on(func() error {
		listener, err := newListener("127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close()
		dialer := net.Dialer{KeepAlive: 30 * time.Second}
		if dialled, err = dialer.DialContext(l.Context(), "tcp", listener.Addr().String()); err != nil {
			return err
		}
		accepted, err = listener.Accept()
		return err
	})
	l.Cleanup(func() { dialled.Close(); accepted.Close() })
	return dialled, accepted
}

// A cut is longer than the kernel's usual patience, 14 s with our rtoMax, and shorter
// than a keepalive's.
func TestAStreamGoesOnAfterACut(t *testing.T) {
	const length, most = 17 * time.Second, 2 * time.Second
	for name, closed := range map[string]bool{"whose sender waited": false, "whose sender gave up": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLink(t)
			dialled, accepted := l.connect()
			go func() {
				var err error
				for err == nil && t.Context().Err() == nil { // as raft's heartbeats
					_, err = accepted.Write([]byte("b"))
					time.Sleep(100 * time.Millisecond)
				}
			}()
			_, err := dialled.Read(make([]byte, 1))
			require.NoError(t, err)
			l.cut()
			time.Sleep(time.Second)
			if closed {
				require.NoError(t, accepted.Close())
			}
			require.NoError(t, dialled.SetReadDeadline(time.Now().Add(length-time.Second)))
			_, err = io.Copy(io.Discard, dialled)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			l.heal()

			require.NoError(t, dialled.SetReadDeadline(time.Now().Add(most)))
			_, err = dialled.Read(make([]byte, 1))
			require.NoError(t, err, "nothing came after the cut")
			if closed {
				_, err = io.Copy(io.Discard, dialled)
				require.NoError(t, err, "it was not told of the end")
			}
		})
	}
}

func TestTheKernelIsPatientWithWhatWasAccepted(t *testing.T) {
	listener, err := newListener("127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer dialled.Close()
	accepted, err := listener.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	raw, err := accepted.(peer).Conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	var set int
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) {
		set, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	}))
	require.NoError(t, failed)
	require.Equal(t, patience, time.Duration(set)*time.Millisecond)
}

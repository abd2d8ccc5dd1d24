package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

func TestContainersReachEachOtherAcrossNodes(t *testing.T) {
	w := newWorld(t)
	one, two, far := w.attach(t, 0, 1), w.attach(t, 0, 2), w.attach(t, 1, 1)
	for at, namespace := range map[netip.Addr]int{container(0, 2): two, container(1, 1): far} {
		to := netip.AddrPortFrom(at, 80)
		serve(t, namespace, to)
		requireReach(t, one, to)
	}
}

// The kernel ignores the answer to a first SYN that comes while its sender is still
// at it: then the second one's counts, a second later.
func TestAnAddressThatNobodyHasIsUnreachable(t *testing.T) {
	w := newWorld(t)
	one := w.attach(t, 0, 1)
	for _, nobody := range []netip.Addr{netip.MustParseAddr("10.0.9.9"), container(0, 9)} {
		_, err := dial(one, netip.AddrPortFrom(nobody, 80))
		require.ErrorIs(t, err, unix.EHOSTUNREACH)
	}
}

// What no link takes whole arrives all the same, in fragments.
func TestLongDatagramsArrive(t *testing.T) {
	w := newWorld(t)
	one, two, far := w.attach(t, 0, 1), w.attach(t, 0, 2), w.attach(t, 1, 1)
	for at, namespace := range map[netip.Addr]int{container(0, 2): two, container(1, 1): far} {
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 5000))
		var packets *net.UDPConn
		require.NoError(t, within(namespace, func() (err error) {
			packets, err = net.ListenUDP("udp4", to)
			return err
		}))
		defer packets.Close()
		require.NoError(t, within(one, func() error {
			conn, err := net.DialUDP("udp4", nil, to)
			require.NoError(t, err)
			defer conn.Close()
			_, err = conn.Write(make([]byte, 8000))
			return err
		}))
		require.NoError(t, packets.SetDeadline(time.Now().Add(2*time.Second)))
		size, from, err := packets.ReadFromUDP(make([]byte, 10000))
		require.NoError(t, err)
		require.Equal(t, 8000, size)
		require.Equal(t, container(0, 1).String(), from.IP.String())
	}
}

// A connection stays while its node's agent is away, and when the next one finds
// everything and says what is to be.
func TestARestartDisturbsNoConnection(t *testing.T) {
	w := newWorld(t)
	one, far := w.attach(t, 0, 1), w.attach(t, 1, 1)
	at := netip.AddrPortFrom(container(1, 1), 80)
	serve(t, far, at)
	conn, err := dial(one, at)
	require.NoError(t, err)
	defer conn.Close()
	before, indices := w.picture(t, 0, one), w.indices(t, 0)

	check := func() {
		t.Helper()
		require.NoError(t, echo(conn))
		require.Empty(t, difference(before, w.picture(t, 0, one)))
		require.Equal(t, indices, w.indices(t, 0), "links were made anew")
	}
	require.NoError(t, w.nodes[0].Close())
	require.NoError(t, echo(conn))
	w.open(t, 0)
	check()
	require.NoError(t, w.nodes[0].Restore())
	check()
	require.NoError(t, w.nodes[0].Apply(w.state(0)))
	check()
	_, err = w.nodes[0].Attach("task1", attachment(0, 1))
	require.NoError(t, err)
	check()
	require.NoError(t, w.nodes[0].Restore())
	check()
}

// indices are those of the router's links, by which the kernel tells them apart.
func (w *world) indices(t testing.TB, i int) map[string]int {
	t.Helper()
	s := spaceOf(t, w.nodes[i].router.fd)
	_, err := s.links()
	require.NoError(t, err)
	return s.indices
}

func TestRemoveLeavesNothing(t *testing.T) {
	w := newWorld(t)
	before := w.picture(t, 1)
	require.NoError(t, w.nodes[0].Remove())
	empty := seen(t, w.hosts[0], nil)
	w.open(t, 0)
	require.NoError(t, w.nodes[0].Apply(w.state(0)))
	w.attach(t, 0, 1)
	require.NoError(t, w.nodes[0].Close())
	w.open(t, 0) // one that attached nothing removes it all the same
	require.NoError(t, w.nodes[0].Remove())

	require.Equal(t, empty, seen(t, w.hosts[0], nil))
	require.NoDirExists(t, w.dirs[0])
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(w.dirs[0]))
	require.NoError(t, err)
	require.Empty(t, mounts)
	require.Equal(t, before, w.picture(t, 1), "the other node's is not touched")
	require.NoError(t, within(w.hosts[0], func() error {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 4789})
		if err != nil {
			return err
		}
		return conn.Close()
	}), "the overlay's port is free")

	require.ErrorIs(t, w.nodes[0].Restore(), os.ErrClosed)
}

func TestASecondNodeOnOneHostIsRefused(t *testing.T) {
	w := newWorld(t)
	fd, err := unix.Dup(w.hosts[0])
	require.NoError(t, err)
	dir := t.TempDir()
	_, refused := open(dir, fd)
	require.NoError(t, errors.Join(removeNamespace(filepath.Join(dir, "router")), unbind(dir)))
	require.ErrorContains(t, refused, "link orc-host of this host belongs to another node")
	require.NoError(t, w.nodes[0].Restore())
}

func TestContainersAreListedUntilTheyAreDetached(t *testing.T) {
	w := newWorld(t)
	n := w.nodes[0]
	before := w.picture(t, 0)
	w.attach(t, 0, 1)
	w.attach(t, 0, 2)
	tasks, err := n.Containers()
	require.NoError(t, err)
	require.Equal(t, []string{"task1", "task2"}, tasks)

	require.NoError(t, n.Detach("task1"))
	require.NoError(t, n.Detach("task1"), "once more is no error")
	require.NoError(t, n.Detach("task7"), "nor is one that never was")
	require.NoError(t, n.Close())
	w.open(t, 0)
	n = w.nodes[0]
	require.NoError(t, n.Apply(w.state(0)))
	tasks, err = n.Containers()
	require.NoError(t, err)
	require.Equal(t, []string{"task2"}, tasks, "a former process's")
	require.NoError(t, n.Detach("task2"))
	require.Empty(t, difference(before, w.picture(t, 0)))
}

func TestAContainerHasItsAddressesInOrder(t *testing.T) {
	w := newWorld(t)
	other := netip.MustParsePrefix("10.0.16.0/20")
	a := Attachment{Link: "orc-1", MTU: 1300, Source: netip.MustParseAddr("10.0.16.9"), Networks: []Membership{
		{Address: container(0, 200), Subnet: subnet},
		{Address: netip.MustParseAddr("10.0.16.9"), Subnet: other},
		{Address: container(0, 1), Subnet: netip.MustParsePrefix("10.0.32.0/20")},
	}}
	path, err := w.nodes[0].Attach("task", a)
	require.NoError(t, err)
	fd, err := openNamespace(path)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, within(fd, func() error {
		link, err := net.InterfaceByName(scheme.ContainerLink)
		require.NoError(t, err)
		require.Equal(t, 1300, link.MTU)
		addresses, err := link.Addrs()
		require.NoError(t, err)
		require.Equal(t, "[10.0.1.200/32 10.0.16.9/32 10.0.1.1/32]", fmt.Sprint(addresses))
		for to, from := range map[string]string{"10.0.3.3": "10.0.1.200", "10.0.17.3": "10.0.16.9", "10.0.33.1": "10.0.1.1", "8.8.8.8": "10.0.16.9", "169.254.1.1": "10.0.1.200"} {
			conn, err := net.Dial("udp4", to+":53")
			require.NoError(t, err)
			require.Equal(t, from, conn.LocalAddr().(*net.UDPAddr).IP.String(), "to %s", to)
			conn.Close()
		}
		return nil
	}))
}

func TestNoLinkHasIPv6(t *testing.T) {
	w := newWorld(t)
	one := w.attach(t, 0, 1)
	for name, namespace := range map[string]int{scheme.HostLink: w.hosts[0], scheme.ContainerLink: one, scheme.Uplink: w.nodes[0].Router(), scheme.Overlay: w.nodes[0].Router()} {
		s := spaceOf(t, namespace)
		link, err := s.link(name)
		require.NoError(t, err)
		addresses, err := s.handle.AddrList(link, unix.AF_INET6)
		require.NoError(t, err)
		require.Empty(t, addresses, name)
	}
}

// A module's settings come with the module: until then there is nothing to mend.
func TestSettingsOfAModuleThatIsNotThereAreLeft(t *testing.T) {
	w := newWorld(t)
	want := tableOf(setting{"net/netfilter/nf_conntrack_nothing", "1"}, setting{"net/ipv4/nothing", "1"}, setting{"net/ipv4/ip_forward", "0"})
	have := make(table)
	require.NoError(t, w.nodes[0].router.readSettings(want, have))
	require.Equal(t, tableOf(setting{"net/netfilter/nf_conntrack_nothing", "1"}, setting{"net/ipv4/ip_forward", "1"}), have)
}

// The kernel's TIME-WAIT takes a minute, and its timer may be late by an eighth.
func TestAConnectionIsRememberedForLongWherePortsAreGivenAgain(t *testing.T) {
	for _, kernel := range []string{"6.5.0", "6.12.9+deb13-amd64", "7.0"} {
		require.Greater(t, time.Duration(timeWait(kernel))*time.Second, time.Minute*9/8, kernel)
	}
	for _, kernel := range []string{"", "5.15.0-91-generic", "6.1.0-18-amd64", "6.4.16", "x"} {
		require.Equal(t, 10, timeWait(kernel), kernel)
	}
}

func TestARouterRemembersAConnectionForLongerThanItsContainer(t *testing.T) {
	w := newWorld(t)
	var value []byte
	require.NoError(t, within(w.nodes[0].Router(), func() (err error) {
		value, err = os.ReadFile("/proc/sys/" + tracking + "tcp_timeout_time_wait")
		return err
	}))
	seconds, err := strconv.Atoi(strings.TrimSpace(string(value)))
	require.NoError(t, err)
	require.Equal(t, timeWait(kernelRelease()), seconds)

	count, limit, err := w.nodes[0].Tracked()
	require.NoError(t, err)
	require.Zero(t, count)
	require.Positive(t, limit)
}

func TestListenersAreInTheRouter(t *testing.T) {
	w := newWorld(t)
	one := w.attach(t, 0, 1)
	at := netip.AddrPortFrom(scheme.Gateway, 53)
	listener, err := w.nodes[0].Listen("tcp4", at.String())
	require.NoError(t, err)
	defer listener.Close()
	packets, err := w.nodes[0].ListenPacket("udp4", at.String())
	require.NoError(t, err)
	defer packets.Close()
	elsewhere, err := w.nodes[0].Listen("tcp4", "192.0.2.1:53")
	require.NoError(t, err, "an address that is not there")
	elsewhere.Close()

	conn, err := dial(one, at)
	require.NoError(t, err)
	conn.Close()
	require.NoError(t, within(one, func() error {
		conn, err := net.Dial("udp4", at.String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("who is there"))
		return err
	}))
	require.NoError(t, packets.SetDeadline(time.Now().Add(2*time.Second)))
	_, from, err := packets.ReadFrom(make([]byte, 100))
	require.NoError(t, err)
	require.Equal(t, container(0, 1).String(), from.(*net.UDPAddr).IP.String())
}

func TestAttachRefusesWhatCannotBe(t *testing.T) {
	n := new(Node)
	for task, a := range map[string]Attachment{
		"":      attachment(0, 1),
		"../x":  attachment(0, 1),
		".":     attachment(0, 1),
		"long":  {Link: "orc-123456789012", Networks: attachment(0, 1).Networks},
		"empty": {Link: "orc-1"},
	} {
		_, err := n.Attach(task, a)
		require.Error(t, err, "%s", task)
	}
}

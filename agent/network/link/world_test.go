package link

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(agentDir); dir != "" {
		actAsAgent(dir)
	}
	goleak.VerifyTestMain(m)
}

// world is two hosts with a cable between them, a node on each.
type world struct {
	hosts [2]int // their namespaces
	dirs  [2]string
	nodes [2]*Node
}

func newWorld(t testing.TB) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: network namespaces need root")
	}
	w := new(world)
	for i := range w.hosts {
		w.hosts[i] = anonymous(t)
		w.dirs[i] = filepath.Join(t.TempDir(), "network")
	}
	w.plug(t)
	for i := range w.nodes {
		w.open(t, i)
		t.Cleanup(func() {
			require.NoError(t, w.nodes[i].Close())
			w.open(t, i)
			require.NoError(t, w.nodes[i].Remove())
		})
		require.NoError(t, w.nodes[i].Apply(w.state(i)))
	}
	return w
}

// open opens node i: again, if it was closed.
func (w *world) open(t testing.TB, i int) {
	t.Helper()
	fd, err := unix.Dup(w.hosts[i])
	require.NoError(t, err)
	w.nodes[i], err = open(w.dirs[i], fd)
	require.NoError(t, err)
}

// plug connects the hosts, 10.9.0.1 and 10.9.0.2.
func (w *world) plug(t testing.TB) {
	t.Helper()
	attributes := netlink.NewLinkAttrs()
	attributes.Name = "eth0"
	first := spaceOf(t, w.hosts[0])
	require.NoError(t, first.handle.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: "eth0", PeerNamespace: netlink.NsFd(w.hosts[1])}))
	for i, each := range w.hosts {
		s := spaceOf(t, each)
		for _, name := range []string{"lo", "eth0"} {
			link, err := s.link(name)
			require.NoError(t, err)
			require.NoError(t, s.raise(link))
		}
		require.NoError(t, address{"eth0", netip.PrefixFrom(underlay(i), 24)}.set(s))
	}
}

func underlay(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, 0, byte(i + 1)}) }

var subnet = netip.MustParsePrefix("10.0.0.0/20")

// block is node i's part of the subnet.
func block(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i + 1), 0}), 24)
}

// container is the address of container number c of node i.
func container(i, c int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(i + 1), byte(c)})
}

func (w *world) state(i int) State {
	other := 1 - i
	return State{
		Number: uint16(i + 1), Underlay: underlay(i), DataPort: 4789,
		Peers:   []Peer{{Number: uint16(other + 1), Address: underlay(other)}},
		Subnets: []netip.Prefix{subnet},
		Blocks:  []Block{{Prefix: block(other), Node: uint16(other + 1)}},
	}
}

func attachment(i, c int) Attachment {
	return Attachment{Link: fmt.Sprintf("orc-%d", c), Networks: []Membership{{Address: container(i, c), Subnet: subnet}}}
}

// attach attaches container c to node i and returns its namespace.
func (w *world) attach(t testing.TB, i, c int) int {
	t.Helper()
	path, err := w.nodes[i].Attach(fmt.Sprint("task", c), attachment(i, c))
	require.NoError(t, err)
	fd, err := openNamespace(path)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// anonymous makes a namespace that ends with the test.
func anonymous(t testing.TB) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "namespace")
	fd, err := makeNamespace(path)
	require.NoError(t, err)
	require.NoError(t, removeNamespace(path))
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// spaceOf is a way of one's own into a namespace.
func spaceOf(t testing.TB, namespace int) *space {
	t.Helper()
	fd, err := unix.Dup(namespace)
	require.NoError(t, err)
	s, err := newSpace(fd)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close()) })
	return s
}

// serve answers what it is sent, at an address in a namespace.
func serve(t testing.TB, namespace int, at netip.AddrPort) {
	t.Helper()
	var listener net.Listener
	require.NoError(t, within(namespace, func() (err error) {
		listener, err = net.Listen("tcp4", at.String())
		return err
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
}

// dial connects from a namespace.
func dial(namespace int, to netip.AddrPort) (net.Conn, error) {
	var conn net.Conn
	err := within(namespace, func() (err error) {
		conn, err = net.DialTimeout("tcp4", to.String(), 2*time.Second)
		return err
	})
	return conn, err
}

// echo sends a word over a connection and waits for it.
func echo(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 5))
	return err
}

// requireReach requires that one namespace reaches a server in another.
func requireReach(t testing.TB, from int, to netip.AddrPort) {
	t.Helper()
	conn, err := dial(from, to)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, echo(conn))
}

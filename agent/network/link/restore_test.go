package link

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

// seen is what the kernel has of one namespace, as text.
func seen(t testing.TB, namespace int, settings table) []string {
	t.Helper()
	s := spaceOf(t, namespace)
	links, err := s.links()
	require.NoError(t, err)
	var lines []string
	for name, each := range links {
		a := each.Attrs()
		line := fmt.Sprintf("link %s %s mtu %d %s flags %x", name, each.Type(), a.MTU, a.HardwareAddr, a.RawFlags&^unix.IFF_RUNNING) // that one follows in its own time
		if vxlan, is := each.(*netlink.Vxlan); is {
			line += fmt.Sprintf(" id %d port %d local %s learning %v", vxlan.VxlanId, vxlan.Port, vxlan.SrcAddr, vxlan.Learning)
		}
		lines = append(lines, line)
	}
	have, err := s.read(func(string) bool { return true }, settings)
	require.NoError(t, err)
	for _, each := range have {
		lines = append(lines, fmt.Sprint(each))
	}
	slices.Sort(lines)
	return lines
}

// picture is all of node i: host, router, and the containers' namespaces.
func (w *world) picture(t testing.TB, i int, containers ...int) []string {
	t.Helper()
	state := w.state(i)
	lines := seen(t, w.hosts[i], hostTable())
	lines = append(lines, seen(t, w.nodes[i].router.fd, routerTable().plus(state.overlayTable(state.reach())))...)
	for _, each := range containers {
		lines = append(lines, seen(t, each, nil)...)
	}
	return lines
}

// difference is what only one of two pictures has.
func difference(want, have []string) (lines []string) {
	for _, each := range want {
		if !slices.Contains(have, each) {
			lines = append(lines, "missing: "+each)
		}
	}
	for _, each := range have {
		if !slices.Contains(want, each) {
			lines = append(lines, "too much: "+each)
		}
	}
	return lines
}

// sabotage is one thing that somebody may do to a router.
type sabotage struct {
	name string
	do   func(t *testing.T, w *world, r *rand.Rand)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// ours is a link of the router's.
func ours(r *rand.Rand) string {
	return pick(r, scheme.Uplink, scheme.Overlay, "orc-1", "orc-2")
}

var sabotages = []sabotage{
	{"a link is deleted", func(t *testing.T, w *world, r *rand.Rand) {
		require.NoError(t, w.nodes[0].router.remove(ours(r)))
	}},
	{"the host's link is deleted", func(t *testing.T, w *world, r *rand.Rand) {
		require.NoError(t, w.nodes[0].host.remove(scheme.HostLink))
	}},
	{"a link is taken down", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.nodes[0].router.fd)
		if link, err := s.link(pick(r, ours(r), "lo")); link != nil {
			require.NoError(t, s.handle.LinkSetDown(link))
		} else {
			require.NoError(t, err)
		}
	}},
	{"a link's MTU is changed", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.nodes[0].router.fd)
		if link, err := s.link(ours(r)); link != nil {
			require.NoError(t, s.handle.LinkSetMTU(link, 1000+r.IntN(400)))
		} else {
			require.NoError(t, err)
		}
	}},
	{"a link's address is changed", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.nodes[0].router.fd)
		if link, err := s.link(pick(r, scheme.Uplink, scheme.Overlay)); link != nil {
			require.NoError(t, s.handle.LinkSetHardwareAddr(link, []byte{2, 1, 1, 1, 1, byte(r.IntN(256))}))
		} else {
			require.NoError(t, err)
		}
	}},
	{"the overlay is another", func(t *testing.T, w *world, r *rand.Rand) {
		n := w.nodes[0]
		require.NoError(t, n.router.remove(scheme.Overlay))
		attributes := netlink.NewLinkAttrs()
		attributes.Name, attributes.Namespace = scheme.Overlay, netlink.NsFd(n.router.fd)
		require.NoError(t, n.host.handle.LinkAdd(&netlink.Vxlan{LinkAttrs: attributes, VxlanId: r.IntN(100), Port: 4000, Learning: r.IntN(2) == 0}))
	}},
	{"an entry is removed", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.nodes[0].router.fd)
		_, err := s.links()
		require.NoError(t, err)
		have, err := s.read(func(string) bool { return true }, nil)
		require.NoError(t, err)
		if len(have) > 0 {
			entries := slices.SortedFunc(maps.Values(have), func(a, b entry) int {
				return slices.Compare([]byte(fmt.Sprint(a)), []byte(fmt.Sprint(b)))
			})
			require.NoError(t, pick(r, entries...).unset(s))
		}
	}},
	{"an entry of the host is removed", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.hosts[0])
		link, err := s.link(scheme.HostLink)
		require.NoError(t, err)
		if link != nil {
			for _, each := range hostTable() {
				require.NoError(t, each.unset(s))
			}
		}
	}},
	{"an entry is added", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.nodes[0].router.fd)
		link := ours(r)
		if found, err := s.link(link); found == nil || found.Attrs().RawFlags&unix.IFF_UP == 0 {
			require.NoError(t, err)
			return
		}
		other := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(16)), byte(r.IntN(256))})
		ethernet := mac{2, 9, 9, 9, 9, byte(r.IntN(256))}
		added := pick[entry](r,
			address{link, host(other)},
			neighbour{link, other, ethernet},
			over(link, netip.PrefixFrom(other, 28).Masked()),
			route{slot: slot{prefix: netip.PrefixFrom(other, 24).Masked(), metric: r.IntN(10)}, kind: unix.RTN_BLACKHOLE},
			route{slot: slot{prefix: netip.PrefixFrom(other, 24).Masked(), tos: 4}, kind: unix.RTN_UNREACHABLE},
		)
		require.NoError(t, added.set(s))
		if _, err := s.index(scheme.Overlay); link == scheme.Overlay && err == nil {
			require.NoError(t, forward{link, ethernet, other}.set(s))
		}
	}},
	{"a neighbour is another", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.nodes[0].router.fd)
		if link, err := s.link(scheme.Overlay); link != nil && link.Attrs().RawFlags&unix.IFF_UP != 0 {
			require.NoError(t, neighbour{scheme.Overlay, scheme.NodeIP(2), mac{2, 8, 8, 8, 8, 8}}.set(s))
			require.NoError(t, forward{scheme.Overlay, mac(scheme.NodeMAC(2)), netip.MustParseAddr("10.9.0.77")}.set(s))
		} else {
			require.NoError(t, err)
		}
	}},
	{"a route is another", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.nodes[0].router.fd)
		if link, err := s.link(scheme.Uplink); link != nil && link.Attrs().RawFlags&unix.IFF_UP != 0 {
			require.NoError(t, over(scheme.Uplink, pick(r, block(1), host(container(0, 1)), anywhere)).set(s))
		} else {
			require.NoError(t, err)
		}
	}},
	{"a route is appended", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.nodes[0].router.fd)
		if link, err := s.link(scheme.Uplink); link != nil && link.Attrs().RawFlags&unix.IFF_UP != 0 {
			message, err := to(scheme.Uplink, pick(r, block(1), anywhere), netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(256))})).message(s)
			require.NoError(t, err)
			require.NoError(t, s.handle.RouteAppend(message))
		} else {
			require.NoError(t, err)
		}
	}},
	{"a setting is another", func(t *testing.T, w *world, r *rand.Rand) {
		s := spaceOf(t, w.nodes[0].router.fd)
		require.NoError(t, pick(r,
			setting{"net/ipv4/ip_forward", "0"}, setting{"net/ipv4/conf/all/rp_filter", "1"}, setting{"net/ipv4/conf/default/send_redirects", "1"},
		).set(s))
	}},
	{"a container's link is deleted from within", func(t *testing.T, w *world, r *rand.Rand) {
		fd, err := openNamespace(w.nodes[0].taskPath(pick(r, "task1", "task2")))
		require.NoError(t, err)
		inside, err := newSpace(fd)
		require.NoError(t, err)
		require.NoError(t, inside.remove(scheme.ContainerLink))
		require.NoError(t, inside.close())
	}},
	{"the router's mount is gone", func(t *testing.T, w *world, r *rand.Rand) {
		require.NoError(t, unbind(w.nodes[0].routerPath()))
		if r.IntN(2) == 0 {
			require.NoError(t, removeNamespace(w.nodes[0].routerPath()))
		}
	}},
}

// Whatever is done to it, after Restore the kernel has exactly what it had, and
// packets flow.
func TestRestoreMendsWhateverWasDone(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if os.Getenv("SEED") != "" {
		fmt.Sscan(os.Getenv("SEED"), &seed)
	}
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	one, two, far := w.attach(t, 0, 1), w.attach(t, 0, 2), w.attach(t, 1, 1)
	for _, each := range []netip.Addr{container(0, 2), container(1, 1)} {
		serve(t, map[netip.Addr]int{container(0, 2): two, container(1, 1): far}[each], netip.AddrPortFrom(each, 80))
	}
	want := w.picture(t, 0, one, two)
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds + len(sabotages) {
		var done []string
		for i := range 1 + r.IntN(4) {
			each := pick(r, sabotages...)
			if i == 0 && round < len(sabotages) {
				each = sabotages[round] // every one at least once
			}
			each.do(t, w, r)
			done = append(done, each.name)
		}
		require.NoError(t, w.nodes[0].Restore(), "%v", done)
		require.Empty(t, difference(want, w.picture(t, 0, one, two)), "%q", done)
		requireReach(t, one, netip.AddrPortFrom(container(0, 2), 80))
		requireReach(t, one, netip.AddrPortFrom(container(1, 1), 80))
	}
}

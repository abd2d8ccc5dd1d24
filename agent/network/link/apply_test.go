package link

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/orc-project/orc/agent/network/scheme"
)

// requireApplied requires that the router has exactly what a state says.
func requireApplied(t *testing.T, n *Node, state State) {
	t.Helper()
	want := routerTable().plus(state.overlayTable(state.reach()))
	for _, each := range n.attached {
		want = want.plus(each.routerTable())
	}
	_, err := n.router.links()
	require.NoError(t, err)
	have, err := n.router.read(func(string) bool { return true }, want)
	require.NoError(t, err)
	missing, extra := diff(have, want)
	require.Empty(t, missing)
	require.Empty(t, extra)
}

// randomState has some of 20 peers and of 15 blocks, at random hosts and nodes.
func randomState(r *rand.Rand, from State) State {
	from.Peers, from.Blocks, from.Subnets = nil, nil, nil
	for number := range uint16(20) {
		if r.IntN(2) == 0 {
			address := netip.AddrFrom4([4]byte{10, 9, 0, byte(10 + r.IntN(100))})
			if r.IntN(10) == 0 {
				address = netip.Addr{}
			}
			from.Peers = append(from.Peers, Peer{Number: number, Address: address})
		}
	}
	for i := range 15 {
		if r.IntN(3) > 0 {
			prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 4, byte(i * 16)}), 28)
			from.Blocks = append(from.Blocks, Block{Prefix: prefix, Node: uint16(r.IntN(25))})
		}
	}
	for i := range 4 {
		if r.IntN(2) == 0 {
			from.Subnets = append(from.Subnets, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 20))
		}
	}
	return from
}

func TestOneStateFollowsAnother(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	n := w.nodes[0]
	w.attach(t, 0, 1)
	for range 50 {
		state := randomState(r, w.state(0))
		require.NoError(t, n.Apply(state))
		requireApplied(t, n, state)
	}
	require.NoError(t, n.Apply(State{}))
	requireApplied(t, n, State{})
	link, err := n.router.link(scheme.Overlay)
	require.NoError(t, err)
	require.Nil(t, link, "a node without a number has no overlay")
}

func TestTheOverlayFollowsTheHost(t *testing.T) {
	w := newWorld(t)
	n := w.nodes[0]
	one, far := w.attach(t, 0, 1), w.attach(t, 1, 1)
	at := netip.AddrPortFrom(container(1, 1), 80)
	serve(t, far, at)
	overlay := func() *netlink.Vxlan {
		link, err := n.router.link(scheme.Overlay)
		require.NoError(t, err)
		return link.(*netlink.Vxlan)
	}
	host := spaceOf(t, w.hosts[0])
	eth0, err := host.link("eth0")
	require.NoError(t, err)

	t.Run("its MTU", func(t *testing.T) {
		before := overlay().Index
		require.NoError(t, host.handle.LinkSetMTU(eth0, 1400))
		require.NoError(t, n.Restore())
		require.Equal(t, 1350, overlay().MTU)
		require.Equal(t, before, overlay().Index, "it need not be made anew")
		link, err := spaceOf(t, one).link(scheme.ContainerLink)
		require.NoError(t, err)
		require.Equal(t, 1350, link.Attrs().MTU)
		requireReach(t, one, at)
	})
	t.Run("its port", func(t *testing.T) {
		for i, each := range w.nodes {
			state := w.state(i)
			state.DataPort = 4790
			require.NoError(t, each.Apply(state))
		}
		require.Equal(t, 4790, overlay().Port)
		requireReach(t, one, at)
	})
	t.Run("its address", func(t *testing.T) {
		moved := netip.MustParseAddr("10.9.0.50")
		require.NoError(t, address{"eth0", netip.PrefixFrom(moved, 24)}.set(host))
		state := w.state(0)
		state.Underlay, state.DataPort = moved, 4790
		require.NoError(t, n.Apply(state))
		require.Equal(t, moved.String(), overlay().SrcAddr.String())
		other := w.state(1)
		other.Peers[0].Address, other.DataPort = moved, 4790
		require.NoError(t, w.nodes[1].Apply(other))
		requireReach(t, one, at)
	})
	t.Run("an address that is not the host's", func(t *testing.T) {
		state := w.state(0)
		state.Underlay, state.DataPort = netip.MustParseAddr("203.0.113.9"), 4790
		require.NoError(t, n.Apply(state))
		require.Nil(t, overlay().SrcAddr)
	})
}

func TestWhatIsDeletedIsBackAtOnce(t *testing.T) {
	w := newWorld(t)
	n := w.nodes[0]
	one, far := w.attach(t, 0, 1), w.attach(t, 1, 1)
	at := netip.AddrPortFrom(container(1, 1), 80)
	serve(t, far, at)
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := n.Watch(ctx)
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range changes {
			if err := n.Restore(); err != nil {
				t.Errorf("restore: %v", err)
			}
		}
	}()
	defer func() {
		cancel()
		<-ended
	}()
	want := w.picture(t, 0, one)
	vandal := spaceOf(t, n.router.fd)
	for name, vandalize := range map[string]func() error{
		"a route":     func() error { return to(scheme.Overlay, block(1), scheme.NodeIP(2)).unset(vandal) },
		"a neighbour": func() error { return neighbour{link: scheme.Overlay, ip: scheme.NodeIP(2)}.unset(vandal) },
		"a forward": func() error {
			return forward{scheme.Overlay, mac(scheme.NodeMAC(2)), underlay(1)}.unset(vandal)
		},
		"a setting":       func() error { return setting{"net/ipv4/ip_forward", "0"}.set(vandal) },
		"the overlay":     func() error { return vandal.remove(scheme.Overlay) },
		"a container's":   func() error { return vandal.remove("orc-1") },
		"the host's link": func() error { return spaceOf(t, w.hosts[0]).remove(scheme.HostLink) },
	} {
		_, err := vandal.links()
		require.NoError(t, err)
		require.NoError(t, vandalize(), name)
		begun := time.Now()
		require.Eventually(t, func() bool { return len(difference(want, w.picture(t, 0, one))) == 0 }, 2*time.Second, 20*time.Millisecond,
			"%s: %s", name, fmt.Sprint(difference(want, w.picture(t, 0, one))))
		t.Logf("%s: back after %s", name, time.Since(begun))
		requireReach(t, one, at)
	}
}

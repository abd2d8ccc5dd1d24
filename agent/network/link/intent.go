package link

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

var (
	anywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	loopback = netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 8)
)

// hostTable is what the host's namespace is to hold.
func hostTable() table {
	return tableOf(
		// The node itself reaches published ports at 127.0.0.1, by this link alone.
		setting{"net/ipv4/conf/" + scheme.HostLink + "/route_localnet", "1"},
		address{scheme.HostLink, host(scheme.HostIP)},
		neighbour{scheme.HostLink, scheme.RouterIP, mac(scheme.RouterMAC)},
		over(scheme.HostLink, host(scheme.RouterIP)).from(scheme.HostIP),
	)
}

// timeWait is for how many seconds a router remembers a connection that ended: longer
// than the container that closed it, whose TIME-WAIT takes 60 s (TCP_TIMEWAIT_LEN)
// and, as the kernel's long timers do, up to an eighth more. Sooner a client's port
// may be another connection's by translation, and the container refuses it when it
// looks older than the last one (RFC 6191): by chance, since clients begin their
// timestamps anywhere. It would connect a second later.
//
// Linux before 6.5 gives no port that is remembered to a new connection: containers
// would soon have none left to one and the same place outside (scheme.FirstEgressPort).
func timeWait(kernel string) int {
	var major, minor int
	if _, err := fmt.Sscanf(kernel, "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 5 {
		return 10
	}
	return 70
}

// kernelRelease is what `uname -r` says, or "".
var kernelRelease = sync.OnceValue(func() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
})

// routerTable is what every router is to hold.
func routerTable() table {
	return tableOf(
		setting{"net/ipv4/ip_forward", "1"},
		setting{tracking + "tcp_timeout_time_wait", strconv.Itoa(timeWait(kernelRelease()))},
		address{"lo", loopback},
		address{"lo", host(scheme.Gateway)},
		address{scheme.Uplink, host(scheme.RouterIP)},
		neighbour{scheme.Uplink, scheme.HostIP, mac(scheme.HostMAC)},
		to(scheme.Uplink, anywhere, scheme.HostIP).from(scheme.RouterIP),
	).plus(quiet("all", "default", scheme.Uplink))
}

// quiet are the settings of a router's links, of those to come by the name default:
// packets take other ways back than they came (published ports, answers to what was
// masqueraded), and no sender is told of a shorter way.
func quiet(links ...string) table {
	t := make(table)
	for _, link := range links {
		t.add(setting{"net/ipv4/conf/" + link + "/rp_filter", "0"}, setting{"net/ipv4/conf/" + link + "/send_redirects", "0"})
		if hasIPv6() {
			t.add(setting{"net/ipv6/conf/" + link + "/disable_ipv6", "1"})
		}
	}
	return t
}

func (s *State) hasOverlay() bool { return s.Number != 0 && s.Underlay.Is4() }

// overlayTable is what the router is to hold of the overlay; r is the state's reach.
func (s *State) overlayTable(r reach) table {
	t := r.table()
	if s.hasOverlay() {
		t.add(address{scheme.Overlay, host(scheme.NodeIP(s.Number))})
		maps.Copy(t, quiet(scheme.Overlay))
	}
	return t
}

// reach is whom a state lets containers reach, or not.
type reach struct {
	peers   []Peer
	blocks  []Block
	subnets []netip.Prefix
}

// reach leaves out peers whose address is not known, and blocks of nodes that are no
// peers.
func (s *State) reach() reach {
	r := reach{subnets: s.Subnets}
	if !s.hasOverlay() {
		return r
	}
	known := make(map[uint16]bool, len(s.Peers))
	for _, each := range s.Peers {
		if each.Number != s.Number && each.Address.Is4() {
			known[each.Number] = true
			r.peers = append(r.peers, each)
		}
	}
	for _, each := range s.Blocks {
		if known[each.Node] {
			r.blocks = append(r.blocks, each)
		}
	}
	return r
}

// without is what is not in other.
func (r reach) without(other reach) reach {
	return reach{peers: without(r.peers, other.peers), blocks: without(r.blocks, other.blocks), subnets: without(r.subnets, other.subnets)}
}

func without[T comparable](all, others []T) (rest []T) {
	if slices.Equal(all, others) {
		return nil
	}
	known := make(map[T]struct{}, len(others))
	for _, each := range others {
		known[each] = struct{}{}
	}
	for _, each := range all {
		if _, found := known[each]; !found {
			rest = append(rest, each)
		}
	}
	return rest
}

func (r reach) table() table {
	t := make(table)
	for _, each := range r.peers {
		ip, ethernet := scheme.NodeIP(each.Number), mac(scheme.NodeMAC(each.Number))
		t.add(
			neighbour{scheme.Overlay, ip, ethernet},
			forward{scheme.Overlay, ethernet, each.Address},
			to(scheme.Overlay, host(ip), ip),
		)
	}
	for _, each := range r.blocks {
		t.add(to(scheme.Overlay, each.Prefix.Masked(), scheme.NodeIP(each.Node)))
	}
	for _, each := range r.subnets {
		t.add(nowhere(each.Masked()))
	}
	return t
}

// routerTable is what the router is to hold of a container.
func (a *Attachment) routerTable() table {
	t := make(table)
	for _, each := range a.Networks {
		t.add(
			neighbour{a.Link, each.Address, mac(scheme.ContainerMAC(a.Networks[0].Address))},
			over(a.Link, host(each.Address)),
		)
	}
	return t
}

// containerTable is what the container's own namespace is to hold, its addresses
// apart: those have an order.
func (a *Attachment) containerTable() table {
	first, source := a.Networks[0].Address, a.Source
	if !source.IsValid() {
		source = first
	}
	t := tableOf(
		neighbour{scheme.ContainerLink, scheme.Gateway, mac(scheme.GatewayMAC)},
		over(scheme.ContainerLink, host(scheme.Gateway)).from(first),
		to(scheme.ContainerLink, anywhere, scheme.Gateway).from(source),
	)
	for _, each := range a.Networks {
		t.add(to(scheme.ContainerLink, each.Subnet.Masked(), scheme.Gateway).from(each.Address))
	}
	return t
}

package rules

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

// lab is a few nodes and a client, each in namespaces of its own, on one Ethernet.
//
//	client 10.9.0.100, 8.8.8.8 ── bridge ── node n: 10.9.0.n, 10.9.0.1n
//
// Networks: a 10.0.0.0/16, b 10.1.0.0/16, ingress 10.255.0.0/16; node n has the
// addresses 10.X.n.0/24.
type lab struct {
	client place
	bridge place
	nodes  []*node
}

// place is a network namespace.
type place struct {
	t         testing.TB
	namespace netns.NsHandle
	netlink   *netlink.Handle
}

type node struct {
	number       int
	host, router place
	table        *Table
	state        State
}

// box is a container.
type box struct {
	place
	name      string
	addresses []netip.Addr
}

func newPlace(t testing.TB) place {
	p := place{t: t, namespace: newNamespace(t)}
	var err error
	p.netlink, err = netlink.NewHandleAt(p.namespace)
	require.NoError(t, err)
	t.Cleanup(p.netlink.Close)
	p.up("lo")
	return p
}

func (p place) link(name string) netlink.Link {
	p.t.Helper()
	link, err := p.netlink.LinkByName(name)
	require.NoError(p.t, err, name)
	return link
}

func (p place) index(name string) int { return p.link(name).Attrs().Index }

func (p place) up(name string) { require.NoError(p.t, p.netlink.LinkSetUp(p.link(name))) }

func (p place) address(link, prefix string) {
	p.t.Helper()
	address, err := netlink.ParseAddr(prefix)
	require.NoError(p.t, err)
	require.NoError(p.t, p.netlink.AddrAdd(p.link(link), address))
}

// route adds one; via and source may be empty.
func (p place) route(prefix, link, via, source string) {
	p.t.Helper()
	_, destination, err := net.ParseCIDR(prefix)
	require.NoError(p.t, err)
	route := &netlink.Route{Dst: destination, LinkIndex: p.index(link), Src: net.ParseIP(source)}
	if via != "" {
		route.Gw, route.Flags = net.ParseIP(via), int(netlink.FLAG_ONLINK)
	} else {
		route.Scope = netlink.SCOPE_LINK
	}
	require.NoError(p.t, p.netlink.RouteReplace(route), prefix)
}

// unreachable makes the kernel say so.
func (p place) unreachable(prefix string) {
	p.t.Helper()
	_, destination, err := net.ParseCIDR(prefix)
	require.NoError(p.t, err)
	require.NoError(p.t, p.netlink.RouteAdd(&netlink.Route{Dst: destination, Type: unix.RTN_UNREACHABLE}))
}

// pair joins two places.
func (p place) pair(name string, other place, otherName string) {
	p.t.Helper()
	require.NoError(p.t, p.netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: otherName, PeerNamespace: netlink.NsFd(other.namespace),
	}))
	p.up(name)
	other.up(otherName)
}

func (p place) set(key, value string) {
	p.t.Helper()
	inside(p.t, p.namespace, func() error {
		return os.WriteFile(filepath.Join("/proc/sys/net/ipv4", key), []byte(value), 0)
	})
}

func newLab(t testing.TB, nodes int) *lab {
	l := &lab{client: newPlace(t), bridge: newPlace(t)}
	require.NoError(t, l.bridge.netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "lan"}}))
	l.bridge.up("lan")
	plug := func(p place, name string) {
		p.pair("eth0", l.bridge, name)
		require.NoError(t, l.bridge.netlink.LinkSetMaster(l.bridge.link(name), l.bridge.link("lan")))
	}
	plug(l.client, "client")
	l.client.address("eth0", "10.9.0.100/24")
	l.client.address("lo", "8.8.8.8/32")
	for i := range nodes {
		n := &node{number: i + 1, host: newPlace(t), router: newPlace(t)}
		plug(n.host, fmt.Sprint("node", n.number))
		n.host.address("eth0", fmt.Sprintf("10.9.0.%d/24", n.number))
		n.host.address("eth0", fmt.Sprintf("10.9.0.1%d/24", n.number))
		n.host.route("0.0.0.0/0", "eth0", "10.9.0.100", "")
		l.nodes = append(l.nodes, n)
	}
	for _, n := range l.nodes {
		n.connect(l)
	}
	return l
}

// connect gives a node its links and routes: package link does that in life.
func (n *node) connect(l *lab) {
	t := n.host.t
	host, router := n.host, n.router
	host.pair(scheme.HostLink, router, scheme.Uplink)
	host.address(scheme.HostLink, scheme.HostIP.String()+"/32")
	host.route(scheme.RouterIP.String()+"/32", scheme.HostLink, scheme.RouterIP.String(), n.address(0).String())
	host.set("conf/"+scheme.HostLink+"/route_localnet", "1")
	router.address(scheme.Uplink, scheme.RouterIP.String()+"/32")
	router.route(scheme.HostIP.String()+"/32", scheme.Uplink, "", "")
	router.route("0.0.0.0/0", scheme.Uplink, scheme.HostIP.String(), scheme.RouterIP.String())
	router.set("ip_forward", "1")
	router.set("conf/all/rp_filter", "0")

	self := uint16(n.number)
	overlay := &netlink.Vxlan{
		LinkAttrs: netlink.LinkAttrs{Name: scheme.Overlay, HardwareAddr: scheme.NodeMAC(self)},
		VxlanId:   scheme.VNI, Port: 4789, SrcAddr: net.IPv4(10, 9, 0, byte(self)), Learning: false,
	}
	require.NoError(t, host.netlink.LinkAdd(overlay))
	require.NoError(t, host.netlink.LinkSetNsFd(overlay, int(router.namespace)))
	router.address(scheme.Overlay, scheme.NodeIP(self).String()+"/32")
	router.up(scheme.Overlay)
	for _, network := range []int{0, 1, 255} {
		router.unreachable(fmt.Sprintf("10.%d.0.0/16", network))
	}
	index := router.index(scheme.Overlay)
	for _, peer := range l.nodes {
		if peer == n {
			continue
		}
		number := uint16(peer.number)
		ip, mac := scheme.NodeIP(number), scheme.NodeMAC(number)
		require.NoError(t, router.netlink.NeighSet(&netlink.Neigh{
			LinkIndex: index, State: unix.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac,
		}))
		require.NoError(t, router.netlink.NeighAppend(&netlink.Neigh{
			LinkIndex: index, Family: unix.AF_BRIDGE, State: unix.NUD_PERMANENT, Flags: unix.NTF_SELF,
			IP: net.IPv4(10, 9, 0, byte(number)), HardwareAddr: mac,
		}))
		router.route(ip.String()+"/32", scheme.Overlay, ip.String(), "")
		for _, network := range []int{0, 1, 255} {
			router.route(fmt.Sprintf("10.%d.%d.0/24", network, number), scheme.Overlay, ip.String(), "")
		}
		n.state.Nodes = append(n.state.Nodes, number)
	}

	n.state.Links = Links{Host: host.index(scheme.HostLink), Overlay: index}
	n.state.Services, n.state.Ports = make(map[netip.Addr][]netip.Addr), make(map[Port]Published)
	n.state.Containers = make(map[string]Container)
	n.state.Subnets = []Subnet{
		{Prefix: netip.MustParsePrefix("10.0.0.0/16")},
		{Prefix: netip.MustParsePrefix("10.1.0.0/16")},
		{Prefix: netip.MustParsePrefix("10.255.0.0/16"), Isolated: true},
	}
	n.state.HostAddresses = []netip.Addr{n.address(0), n.address(10)}
	n.state.Egress = []Egress{{netip.MustParsePrefix("0.0.0.0/0"), n.address(0)}}
	table, err := Open(int(host.namespace), int(router.namespace))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, table.Close()) })
	n.table = table
	n.apply()
}

// address is one of the host's own: 0 for its first one, 10 for its second.
func (n *node) address(which int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 9, 0, byte(n.number + which)})
}

func (n *node) apply() {
	n.host.t.Helper()
	require.NoError(n.host.t, n.table.Apply(n.state))
}

// run makes a container on networks (their second bytes). It answers from the last
// one's address.
func (n *node) run(id int, egress bool, networks ...byte) *box {
	n.host.t.Helper()
	b := &box{place: newPlace(n.host.t), name: fmt.Sprintf("n%dc%d", n.number, id)}
	n.router.pair(b.name, b.place, "eth0")
	n.router.address(b.name, scheme.Gateway.String()+"/32")
	n.router.set("conf/"+b.name+"/proxy_arp", "1")
	b.route(scheme.Gateway.String()+"/32", "eth0", "", "")
	for _, network := range networks {
		address := netip.AddrFrom4([4]byte{10, network, byte(n.number), byte(id)})
		b.addresses = append(b.addresses, address)
		b.address("eth0", address.String()+"/32")
		b.place.route(fmt.Sprintf("10.%d.0.0/16", network), "eth0", scheme.Gateway.String(), address.String())
		n.router.route(address.String()+"/32", b.name, "", "")
	}
	b.route("0.0.0.0/0", "eth0", scheme.Gateway.String(), b.addresses[len(b.addresses)-1].String())
	n.state.Containers[b.name] = Container{Addresses: b.addresses, Egress: egress}
	n.apply()
	return b
}

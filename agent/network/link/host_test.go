package link

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// hostRoutes are routes of a host that has it all: a second address in a subnet, a
// link without an address, routes by metric, by several next hops, with a source of
// their own, to nowhere.
var hostRoutes = []struct {
	prefix, link, via, source string
	metric, kind              int
}{
	{prefix: "0.0.0.0/0", link: "eth0", via: "10.9.0.254", metric: 100, kind: unix.RTN_UNICAST},
	{prefix: "0.0.0.0/0", link: "eth1", via: "192.0.2.1", metric: 200, kind: unix.RTN_UNICAST},
	{prefix: "172.16.0.0/12", link: "eth1", via: "192.0.2.1", kind: unix.RTN_UNICAST},
	{prefix: "172.16.5.0/24", link: "eth0", via: "10.8.0.1", kind: unix.RTN_UNICAST},
	{prefix: "172.16.6.0/24", link: "eth0", via: "10.9.0.254", source: "10.8.0.9", kind: unix.RTN_UNICAST},
	{prefix: "172.16.7.0/24", link: "bare", kind: unix.RTN_UNICAST},
	{prefix: "172.16.8.0/24", kind: unix.RTN_BLACKHOLE},
	{prefix: "198.51.100.0/24", link: "eth1", kind: unix.RTN_UNICAST},
}

var hostAddresses = []struct{ link, prefix string }{
	{"lo", "203.0.113.1/32"},
	{"eth0", "10.9.0.1/24"},
	{"eth0", "10.9.0.2/24"},
	{"eth0", "10.8.0.9/24"},
	{"eth1", "192.0.2.9/24"},
}

// The source that is derived is the one that the kernel takes.
func TestEgressIsWhatTheKernelDoes(t *testing.T) {
	w := newWorld(t)
	n := w.nodes[0]
	s := spaceOf(t, w.hosts[0])
	for _, name := range []string{"eth1", "bare"} {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = name
		link := &netlink.Veth{LinkAttrs: attributes, PeerName: name + "peer"}
		require.NoError(t, s.handle.LinkAdd(link))
		require.NoError(t, s.handle.LinkSetUp(link))
	}
	_, err := s.links()
	require.NoError(t, err)
	for _, each := range hostAddresses {
		require.NoError(t, address{each.link, netip.MustParsePrefix(each.prefix)}.set(s))
	}
	for _, each := range hostRoutes {
		r := route{slot: slot{prefix: netip.MustParsePrefix(each.prefix), metric: each.metric}, link: each.link, kind: each.kind}
		if each.via != "" {
			r.via = netip.MustParseAddr(each.via)
		}
		if each.source != "" {
			r.source = netip.MustParseAddr(each.source)
		}
		require.NoError(t, r.set(s), "%v", r)
	}
	host, err := n.Host()
	require.NoError(t, err)

	require.Equal(t, "[10.8.0.9 10.9.0.1 10.9.0.2 192.0.2.9 203.0.113.1]", fmt.Sprint(host.Addresses))
	require.Equal(t, "[10.8.0.0/24 10.9.0.0/24 172.16.0.0/12 172.16.5.0/24 172.16.6.0/24 172.16.7.0/24 192.0.2.0/24 198.51.100.0/24]", fmt.Sprint(host.Subnets))
	require.Equal(t, 1500, host.MTU)
	for _, to := range []string{"8.8.8.8", "172.16.1.1", "172.16.5.1", "172.16.6.1", "172.16.7.1", "198.51.100.1", "10.9.0.77", "10.8.0.77", "192.0.2.77"} {
		routes, err := s.handle.RouteGet(netip.MustParseAddr(to).AsSlice())
		require.NoError(t, err)
		require.Equal(t, routes[0].Src.String(), egress(host, netip.MustParseAddr(to)).String(), "to %s", to)
	}
}

func TestWhatIsOrcsIsNotTheHosts(t *testing.T) {
	w := newWorld(t)
	host, err := w.nodes[0].Host()
	require.NoError(t, err)
	require.Equal(t, "[10.9.0.1]", fmt.Sprint(host.Addresses), "orc's own link is not among them")
	require.Equal(t, "[10.9.0.0/24]", fmt.Sprint(host.Subnets))
}

// egress is the source for a destination: of the first prefix, for the longest come
// first.
func egress(h Host, to netip.Addr) netip.Addr {
	for _, each := range h.Egress {
		if each.Prefix.Contains(to) {
			return each.Source
		}
	}
	return netip.Addr{}
}

func TestDescribe(t *testing.T) {
	net := func(prefix string) netlink.Addr {
		return netlink.Addr{IPNet: ipNet(netip.MustParsePrefix(prefix)), LinkIndex: 2}
	}
	way := func(prefix string, link int) netlink.Route {
		return netlink.Route{Dst: ipNet(netip.MustParsePrefix(prefix)), LinkIndex: link, Type: unix.RTN_UNICAST}
	}
	mtus := map[int]int{2: 1400, 3: 9000}
	for name, each := range map[string]struct {
		addresses []netlink.Addr
		routes    []netlink.Route
		underlay  string
		want      string
	}{
		"nothing":                        {want: "[] [] [] 1500"},
		"the MTU of the underlay's link": {[]netlink.Addr{net("10.9.0.1/24")}, []netlink.Route{way("0.0.0.0/0", 3)}, "10.9.0.1", "[10.9.0.1] [{0.0.0.0/0 10.9.0.1}] [] 1400"},
		"the MTU of the default route":   {[]netlink.Addr{net("10.9.0.1/24")}, []netlink.Route{way("0.0.0.0/0", 3)}, "203.0.113.1", "[10.9.0.1] [{0.0.0.0/0 10.9.0.1}] [] 9000"},
		"several next hops": {
			[]netlink.Addr{net("10.9.0.1/24")},
			[]netlink.Route{{Type: unix.RTN_UNICAST, MultiPath: []*netlink.NexthopInfo{{LinkIndex: 2}, {LinkIndex: 3}}}},
			"", "[10.9.0.1] [{0.0.0.0/0 10.9.0.1}] [] 1400",
		},
		"no address to send from": {nil, []netlink.Route{way("10.0.0.0/8", 2)}, "", "[] [] [10.0.0.0/8] 1500"},
	} {
		t.Run(name, func(t *testing.T) {
			underlay, _ := netip.ParseAddr(each.underlay)
			h := describe(each.addresses, each.routes, mtus, underlay)
			require.Equal(t, each.want, strings.TrimSpace(fmt.Sprint(h.Addresses, h.Egress, h.Subnets, h.MTU)))
		})
	}
}

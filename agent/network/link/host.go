package link

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

// defaultMTU is that of a host whose links do not say.
const defaultMTU = 1500

// Host reads what the host's namespace looks like.
func (n *Node) Host() (Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return Host{}, os.ErrClosed
	}
	return n.readHost()
}

func (n *Node) readHost() (Host, error) {
	var underlay netip.Addr
	if n.state != nil {
		underlay = n.state.Underlay
	}
	links, err := n.host.links()
	if err != nil {
		return Host{}, err
	}
	addresses, err := dump(func() ([]netlink.Addr, error) { return n.host.handle.AddrList(nil, unix.AF_INET) })
	if err != nil {
		return Host{}, fmt.Errorf("list the host's addresses: %w", err)
	}
	routes, err := dump(func() ([]netlink.Route, error) { return n.host.handle.RouteList(nil, unix.AF_INET) })
	if err != nil {
		return Host{}, fmt.Errorf("list the host's routes: %w", err)
	}
	own := -1
	mtus := make(map[int]int, len(links))
	for name, each := range links {
		mtus[each.Attrs().Index] = each.Attrs().MTU
		if name == scheme.HostLink {
			own = each.Attrs().Index
		}
	}
	ours := func(link int) bool { return link == own }
	addresses = slices.DeleteFunc(addresses, func(a netlink.Addr) bool { return ours(a.LinkIndex) })
	routes = slices.DeleteFunc(routes, func(r netlink.Route) bool { return ours(linkOf(r)) })
	return describe(addresses, routes, mtus, underlay), nil
}

// describe derives a host from its addresses in the kernel's order, its main
// routing table, and the MTUs of its links.
func describe(addresses []netlink.Addr, routes []netlink.Route, mtus map[int]int, underlay netip.Addr) Host {
	var h Host
	for _, each := range addresses {
		if a := addrOf(each.IP); !a.IsLoopback() {
			h.Addresses = append(h.Addresses, a)
		}
		if addrOf(each.IP) == underlay {
			h.MTU = mtus[each.LinkIndex]
		}
	}
	slices.SortFunc(h.Addresses, netip.Addr.Compare)
	h.Addresses = slices.Compact(h.Addresses)

	// The same prefix may have several routes: the lowest metric counts.
	slices.SortStableFunc(routes, func(a, b netlink.Route) int {
		return cmp.Or(comparePrefixes(prefixOf(a.Dst), prefixOf(b.Dst)), cmp.Compare(a.Priority, b.Priority))
	})
	routes = slices.CompactFunc(routes, func(a, b netlink.Route) bool { return prefixOf(a.Dst) == prefixOf(b.Dst) })
	for _, each := range routes {
		if each.Type != unix.RTN_UNICAST {
			continue
		}
		prefix := prefixOf(each.Dst)
		if prefix.Bits() > 0 {
			h.Subnets = append(h.Subnets, prefix)
		} else if h.MTU == 0 {
			h.MTU = mtus[linkOf(each)]
		}
		if source := sourceOf(each, addresses); source.IsValid() {
			h.Egress = append(h.Egress, Egress{Prefix: prefix, Source: source})
		}
	}
	slices.SortFunc(h.Subnets, netip.Prefix.Compare)
	if h.MTU == 0 {
		h.MTU = defaultMTU
	}
	return h
}

// comparePrefixes puts longer ones first.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(cmp.Compare(b.Bits(), a.Bits()), a.Addr().Compare(b.Addr()))
}

// sourceOf is the address that the kernel sends from by a route: the route's own, or
// as inet_select_addr (net/ipv4/devinet.c) chooses: of its link's addresses, the
// first whose subnet has the next hop, else the first. A link without one borrows
// from others.
func sourceOf(r netlink.Route, addresses []netlink.Addr) netip.Addr {
	if r.Src != nil {
		return addrOf(r.Src)
	}
	var first, other netip.Addr
	for _, each := range addresses {
		a := addrOf(each.IP)
		switch {
		case each.Scope > unix.RT_SCOPE_LINK || each.Flags&unix.IFA_F_SECONDARY != 0:
		case each.LinkIndex != linkOf(r):
			other = cmp.Or(other, a)
		case nextHop(r).IsValid() && prefixOf(each.IPNet).Contains(nextHop(r)):
			return a
		default:
			first = cmp.Or(first, a)
		}
	}
	return cmp.Or(first, other)
}

// linkOf is the link of a route, or of its first next hop.
func linkOf(r netlink.Route) int {
	if len(r.MultiPath) > 0 {
		return r.MultiPath[0].LinkIndex
	}
	return r.LinkIndex
}

func nextHop(r netlink.Route) netip.Addr {
	if len(r.MultiPath) > 0 {
		return addrOf(r.MultiPath[0].Gw)
	}
	return addrOf(r.Gw)
}

// addrOf is the same address; invalid for none.
func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// prefixOf is the same prefix; none stands for all addresses.
func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return anywhere
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addrOf(n.IP), bits)
}

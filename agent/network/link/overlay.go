package link

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

// tunnel is what the overlay's link is made from.
type tunnel struct {
	number   uint16
	underlay netip.Addr
	port     uint16
}

func tunnelOf(s *State) tunnel {
	if !s.hasOverlay() {
		return tunnel{}
	}
	return tunnel{number: s.Number, underlay: s.Underlay, port: s.DataPort}
}

// restoreOverlay makes the overlay's link what it is to be. A link's VXLAN settings
// are for good: one that has others is made anew.
func (n *Node) restoreOverlay(at Host) error {
	n.tunnel = tunnelOf(n.state)
	if !n.state.hasOverlay() {
		return n.router.remove(scheme.Overlay)
	}
	want := n.vxlan(at)
	have, err := n.router.link(scheme.Overlay)
	if err != nil {
		return err
	}
	host, err := n.hostID()
	if err != nil {
		return err
	}
	if have != nil && !same(have, want, host) {
		if err := n.router.remove(scheme.Overlay); err != nil {
			return err
		}
		have = nil
	}
	if have == nil {
		if have, err = n.makeOverlay(want); err != nil {
			return err
		}
	}
	if err := n.router.shape(have, want.MTU, mac(want.HardwareAddr)); err != nil {
		return fmt.Errorf("overlay on UDP port %d: %w", n.state.DataPort, err)
	}
	return nil
}

func (n *Node) vxlan(at Host) *netlink.Vxlan {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = scheme.Overlay
	attributes.MTU = at.MTU - scheme.VXLANOverhead
	attributes.HardwareAddr = scheme.NodeMAC(n.state.Number)
	attributes.Namespace = netlink.NsFd(n.router.fd)
	link := &netlink.Vxlan{LinkAttrs: attributes, VxlanId: scheme.VNI, Port: int(n.state.DataPort)}
	if slices.Contains(at.Addresses, n.state.Underlay) {
		link.SrcAddr = n.state.Underlay.AsSlice()
	}
	return link
}

// makeOverlay asks in the host's namespace for a link in the router's: the packets
// that it makes, and its UDP socket, are the host's.
func (n *Node) makeOverlay(want *netlink.Vxlan) (netlink.Link, error) {
	if err := n.host.handle.LinkAdd(want); err != nil {
		return nil, fmt.Errorf("make link %s: %w", scheme.Overlay, err)
	}
	made, err := n.router.link(scheme.Overlay)
	if made == nil && err == nil {
		err = fmt.Errorf("make link %s: %w", scheme.Overlay, unix.ENODEV)
	}
	return made, err
}

// same says whether a link is the VXLAN that is wanted, with its socket in the
// host's namespace.
func same(have netlink.Link, want *netlink.Vxlan, host int) bool {
	is, vxlan := have.(*netlink.Vxlan)
	return vxlan && is.NetNsID == host && is.VxlanId == want.VxlanId && is.Port == want.Port &&
		is.SrcAddr.Equal(want.SrcAddr) && !is.Learning && is.Group == nil
}

package link

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

// restorePair makes the router's link to the host what it is to be.
//
// Its MTU is that of the host's own links. Packets cross the host as copies that
// must not be fragmented (nf_dup sets DF) unless they are longer than the link takes
// and came in fragments: so those arrive in the router as fragments again, which may
// be sent on in smaller ones.
func (n *Node) restorePair(mtu int) error {
	near, err := n.host.link(scheme.HostLink)
	if err != nil {
		return err
	}
	far, err := n.router.link(scheme.Uplink)
	if err != nil {
		return err
	}
	joined, err := n.joined(near, far)
	if err != nil {
		return err
	}
	if near != nil && !joined {
		return fmt.Errorf("link %s of this host belongs to another node that runs on it; if there is none, delete the link", scheme.HostLink)
	}
	if near == nil {
		if near, far, err = n.makePair(mtu); err != nil {
			return err
		}
	}
	if err := n.host.shape(near, mtu, mac(scheme.HostMAC)); err != nil {
		return err
	}
	return n.router.shape(far, mtu, mac(scheme.RouterMAC))
}

// joined says whether the two are ends of one pair.
func (n *Node) joined(near, far netlink.Link) (bool, error) {
	if near == nil || far == nil || !peers(near, far) {
		return false, nil
	}
	host, err := n.hostID()
	return far.Attrs().NetNsID == host, err
}

func peers(a, b netlink.Link) bool {
	return a.Attrs().ParentIndex == b.Attrs().Index && b.Attrs().ParentIndex == a.Attrs().Index
}

// hostID is what the kernel calls the host's namespace in the router's: -1 if
// nothing there leads to it.
func (n *Node) hostID() (int, error) {
	id, err := n.router.handle.GetNetNsIdByFd(n.host.fd)
	if err != nil {
		return -1, fmt.Errorf("identify the host's namespace: %w", err)
	}
	return id, nil
}

func (n *Node) makePair(mtu int) (near, far netlink.Link, err error) {
	if err := n.router.remove(scheme.Uplink); err != nil { // its peer is elsewhere
		return nil, nil, err
	}
	// What a link is made with, these say: before it, not after.
	if err := n.router.update(nil, quiet("all", "default")); err != nil {
		return nil, nil, err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = scheme.Uplink, mtu
	attributes.HardwareAddr = scheme.RouterMAC
	made := &netlink.Veth{
		LinkAttrs: attributes,
		PeerName:  scheme.HostLink, PeerHardwareAddr: scheme.HostMAC, PeerNamespace: netlink.NsFd(n.host.fd),
	}
	if err := n.router.handle.LinkAdd(made); err != nil {
		return nil, nil, fmt.Errorf("make links %s and %s: %w", scheme.HostLink, scheme.Uplink, err)
	}
	if near, err = n.host.link(scheme.HostLink); err != nil {
		return nil, nil, err
	}
	if far, err = n.router.link(scheme.Uplink); err != nil {
		return nil, nil, err
	}
	if near == nil || far == nil {
		return nil, nil, fmt.Errorf("make links %s and %s: %w", scheme.HostLink, scheme.Uplink, unix.ENODEV)
	}
	return near, far, n.host.withoutIPv6(near)
}

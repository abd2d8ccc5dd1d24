package lab

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// FreeAddress is the one above all that the nodes have.
func (l *Lab) FreeAddress() (netip.Addr, error) {
	last := l.state.gateway()
	for _, each := range l.state.Nodes {
		if last.Less(each.Address) {
			last = each.Address
		}
	}
	free := last.Next()
	if !l.state.Subnet.Contains(free.Next()) { // the last one is the broadcasts'
		return free, fmt.Errorf("lab %s has no address left", l.state.Name)
	}
	return free, nil
}

// Move gives the node another address of the lab's subnet in the place of the one it
// has, as a DHCP server may. What runs on the node is told nothing but what the kernel
// tells.
func (n *Node) Move(to netip.Addr) error {
	from := n.state.Address
	for _, each := range n.lab.state.Nodes {
		if each.Address == to {
			return fmt.Errorf("%s has the address %s", each.Name, to)
		}
	}
	if !n.lab.state.Subnet.Contains(to) || to == n.lab.state.gateway() {
		return fmt.Errorf("%s is no address for a node: the lab's are of %s", to, n.lab.state.Subnet)
	}
	err := inNamespace(n.lab.namespace(n.state.Name), func() error {
		link, err := netlink.LinkByName(uplink)
		if err != nil {
			return fmt.Errorf("link of %s: %w", n.state.Name, err)
		}
		old, err := netlink.ParseAddr(from.String() + "/24")
		if err != nil {
			return err
		}
		// The route by it goes with the last address.
		if err := netlink.AddrDel(link, old); err != nil {
			return fmt.Errorf("take address %s from %s: %w", from, n.state.Name, err)
		}
		return n.lab.address(uplink, to.String()+"/24", true)
	})
	if err != nil {
		return err
	}
	return n.lab.moved(n, to)
}

// moved keeps where the node is.
func (l *Lab) moved(n *Node, to netip.Addr) error {
	for i, each := range l.state.Nodes {
		if each.Name == n.state.Name {
			l.state.Nodes[i].Address = to
		}
	}
	n.state.Address = to
	return l.state.save(l.dir)
}

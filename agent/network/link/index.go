package link

import "github.com/orc-project/orc/agent/network/scheme"

// Indexes are those of the links that packet rules name: the host's to the router,
// in the host's namespace, and the overlay's in the router's. 0 stands for one that
// is not there. They change when a link is made anew.
func (n *Node) Indexes() (host, overlay int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return 0, 0
	}
	if link, err := n.host.link(scheme.HostLink); err == nil && link != nil {
		host = link.Attrs().Index
	}
	if link, err := n.router.link(scheme.Overlay); err == nil && link != nil {
		overlay = link.Attrs().Index
	}
	return host, overlay
}

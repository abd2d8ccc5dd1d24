package lab

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

const (
	bridge = "switch"
	uplink = "eth0" // of a node
)

// makeNetwork makes the switch with the host's link to it, and each node's
// namespace with its link.
//
// The switch has a namespace of its own: on the host, frames over a bridge pass
// the host's own FORWARD chain (bridge-nf-call-iptables), and a lab must neither
// depend on that nor change it.
func (l *Lab) makeNetwork() error {
	if err := makeNamespace(l.namespace(bridge)); err != nil {
		return err
	}
	if err := inNamespace(l.namespace(bridge), func() error {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = bridge
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attributes}); err != nil {
			return fmt.Errorf("make the switch: %w", err)
		}
		return raise(bridge)
	}); err != nil {
		return err
	}
	if err := l.plug("host", "", l.hostLink(), l.state.gateway().String()+"/24"); err != nil {
		return err
	}
	for _, node := range l.state.Nodes {
		if err := makeNamespace(l.namespace(node.Name)); err != nil {
			return err
		}
		if err := l.plug(node.Name, l.namespace(node.Name), uplink, node.Address.String()+"/24"); err != nil {
			return err
		}
	}
	return nil
}

// plug connects a namespace ("" is the host's) to the switch: port is the name
// of the end in the switch, name and address are the other end's.
func (l *Lab) plug(port, namespace, name, address string) error {
	home, err := netns.GetFromPath(l.namespace(bridge))
	if err != nil {
		return err
	}
	defer home.Close()
	far, err := netns.Get()
	if namespace != "" {
		far, err = netns.GetFromPath(namespace)
	}
	if err != nil {
		return err
	}
	defer far.Close()
	err = inNamespace(l.namespace(bridge), func() error {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = port
		pair := &netlink.Veth{LinkAttrs: attributes, PeerName: name, PeerNamespace: netlink.NsFd(int(far))}
		if err := netlink.LinkAdd(pair); err != nil {
			return fmt.Errorf("make the link of %s: %w", port, err)
		}
		master, err := netlink.LinkByName(bridge)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetMaster(pair, master); err != nil {
			return fmt.Errorf("plug %s into the switch: %w", port, err)
		}
		return raise(port)
	})
	if err != nil {
		return err
	}
	configure := func() error {
		if err := raise("lo"); err != nil {
			return err
		}
		return l.address(name, address, namespace != "")
	}
	if namespace == "" {
		return configure()
	}
	return inNamespace(namespace, configure)
}

func (l *Lab) address(name, address string, routed bool) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	parsed, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, parsed); err != nil {
		return fmt.Errorf("give %s address %s: %w", name, address, err)
	}
	if err := raise(name); err != nil || !routed {
		return err
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.IP(l.state.gateway().AsSlice())}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("route %s: %w", name, err)
	}
	return nil
}

// setPort takes a node's link at the switch up or down: a pulled cable.
func (l *Lab) setPort(port string, up bool) error {
	return inNamespace(l.namespace(bridge), func() error {
		if up {
			return raise(port)
		}
		link, err := netlink.LinkByName(port)
		if err != nil {
			return fmt.Errorf("link of %s: %w", port, err)
		}
		return netlink.LinkSetDown(link)
	})
}

// removeNetwork removes the namespaces; their links go with them, and the host's
// end with its peer. It is removed by name too, for the kernel takes its time.
func (l *Lab) removeNetwork() error {
	var errs []error
	if link, err := netlink.LinkByName(l.hostLink()); err == nil {
		errs = append(errs, netlink.LinkDel(link))
	}
	for _, node := range l.state.Nodes {
		errs = append(errs, removeNamespace(l.namespace(node.Name)))
	}
	return errors.Join(append(errs, removeNamespace(l.namespace(bridge)))...)
}

func (l *Lab) namespace(name string) string { return filepath.Join(l.dir, "namespaces", name) }

// hostLink names the host's end by a hash: a name may be longer than IFNAMSIZ
// allows, and labs of the same name in two directories must not clash.
func (l *Lab) hostLink() string {
	hash := fnv.New32a()
	hash.Write([]byte(l.dir))
	return fmt.Sprintf("orclab%08x", hash.Sum32())
}

func raise(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	return nil
}

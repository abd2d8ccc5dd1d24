package rules

import (
	"encoding/binary"
	"net/netip"

	"github.com/orc-project/orc/agent/network/scheme"
)

// Keys and data of elements, as the kernel compares them: each part in registers of
// four bytes, numbers of the network in its byte order.

func addressKey(a netip.Addr) string { return string(a.AsSlice()) }

func (p Port) key() string {
	return string([]byte{p.Proto, 0, 0, 0, byte(p.Number >> 8), byte(p.Number), 0, 0})
}

// parsePort reads what key writes.
func parsePort(key string) Port {
	return Port{Proto: key[0], Number: uint16(key[4])<<8 | uint16(key[5])}
}

func portData(a netip.AddrPort) string {
	return addressKey(a.Addr()) + string([]byte{byte(a.Port() >> 8), byte(a.Port()), 0, 0})
}

func turnKey(n int) string { return string(native(uint32(n))) }

func nodeKey(n uint16) string { return string(scheme.NodeMAC(n)) }

// elements is how many elements of the router refer to its class.
func (p Published) elements() int {
	if p.HostIP.IsValid() {
		return 2
	}
	return 1
}

// compileHost is what the host's table has to have.
func compileHost(s State) content {
	c := newContent()
	for port, published := range s.Ports {
		switch {
		case len(published.Backends) == 0:
		case published.HostIP.IsValid():
			c.put("bound", addressKey(published.HostIP)+port.key(), "")
		default:
			c.put("ports", port.key(), "")
		}
	}
	return c
}

// compileRouter is what the router's table has to have. Classes know at least the
// state's services and ports. The map of classes is left out: see plan.
func compileRouter(s State, services, ports *classes) content {
	c := newContent()
	for address, backends := range s.Services {
		if len(backends) == 0 {
			continue
		}
		key := addressKey(address)
		c.put("services", key, c.refer(services.of(key, len(backends))))
		for i, backend := range backends {
			c.put("targets", key+turnKey(i), addressKey(backend))
		}
	}
	for port, published := range s.Ports {
		if len(published.Backends) == 0 {
			continue
		}
		key := port.key()
		class := c.refer(ports.of(key, len(published.Backends)))
		if published.HostIP.IsValid() {
			c.put("bound", addressKey(published.HostIP)+key, class)
			// The host's own connections have lost the address they were for.
			c.put("bound", addressKey(scheme.RouterIP)+key, class)
		} else {
			c.put("ports", key, class)
		}
		for i, backend := range published.Backends {
			c.put("port_targets", key+turnKey(i), portData(backend))
		}
	}
	for link, container := range s.Containers {
		for _, address := range container.Addresses {
			key := string(linkKey(link)) + addressKey(address)
			c.put("sources", key, "")
			if container.Egress {
				c.put("leaving", key, "")
			}
		}
	}
	for _, address := range s.HostAddresses {
		c.put("host", addressKey(address), "")
	}
	for _, n := range s.Nodes {
		c.put("nodes", nodeKey(n), string(native(uint32(n))))
		c.put("returns", string(native(uint32(n))), addressKey(scheme.NodeIP(n)))
	}
	compileSubnets(c, s.Subnets)
	compileEgress(c, s.Egress)
	return c
}

func compileSubnets(c content, subnets []Subnet) {
	overlay, ingress := make(map[netip.Prefix]string), make(map[netip.Prefix]string)
	for _, subnet := range subnets {
		overlay[subnet.Prefix.Masked()] = ""
		if subnet.Isolated {
			ingress[subnet.Prefix.Masked()] = ""
			continue
		}
		from, to := bounds(subnet.Prefix)
		low, high := addressKey(from), addressKey(to)
		c.put("allowed", low+low+high+high, "")
	}
	c.sets["overlay"] = flatten(overlay)
	c.sets["ingress"] = flatten(ingress)
}

func compileEgress(c content, egress []Egress) {
	sources := make(map[netip.Prefix]string)
	for _, e := range egress {
		sources[e.Prefix.Masked()] = addressKey(e.Source)
	}
	c.sets["egress"] = flatten(sources)
}

// refer notes that there is an element that refers to a class, and returns its data.
func (c content) refer(to class) string {
	c.classes[to] = true
	return to.id()
}

// bounds are the first and the last address of a prefix.
func bounds(p netip.Prefix) (first, last netip.Addr) {
	low := p.Masked().Addr().As4()
	high := binary.BigEndian.Uint32(low[:]) | uint32(uint64(1)<<(32-p.Bits())-1)
	return netip.AddrFrom4(low), netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, high)))
}

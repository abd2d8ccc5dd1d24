// Package scheme holds what is fixed in every node's network: names of links,
// link-local addresses, the way from a node's number to its addresses.
//
//	host's namespace            router's namespace                 container's
//	 ┌────────────────┐ veth  ┌──────────────────────────┐ veth  ┌───────────────┐
//	 │ HostLink ◀─────┼───────┼─▶ Uplink    orc-N ◀──────┼───────┼─▶ eth0        │
//	 │ 169.254.1.3    │       │ 169.254.1.2  169.254.1.1 │       │ its addresses │
//	 └──────┬─────────┘       │ Overlay (VXLAN) ─────────┼─▶ the other routers
//	        └─ the outer packets, UDP                     │
//	                          └──────────────────────────┘
//
// All of it is link-local (RFC 3927) and seen by this node alone.
package scheme

import (
	"net"
	"net/netip"
)

// The names of links. HostLink is in the host's namespace, the others in the
// router's.
const (
	HostLink = "orc-host"
	Uplink   = "uplink"
	Overlay  = "orc0"
)

// ContainerLink is the name of a container's one link, in its own namespace.
const ContainerLink = "eth0"

// VNI is the VXLAN network identifier: one for all networks, which are kept apart
// by their addresses.
const VNI = 0x6f7263

// VXLANOverhead is what the outer headers take of a packet, in bytes: Ethernet 14,
// IPv4 20, UDP 8, VXLAN 8.
const VXLANOverhead = 50

// Connections from containers to the outside leave the host from these ports, above
// those that Linux gives its own connections (ip_local_port_range).
const (
	FirstEgressPort = 61000
	LastEgressPort  = 65535
)

// Addresses of a node's own links.
var (
	Gateway  = netip.AddrFrom4([4]byte{169, 254, 1, 1}) // of containers; their DNS server, too
	RouterIP = netip.AddrFrom4([4]byte{169, 254, 1, 2}) // the router's on Uplink
	HostIP   = netip.AddrFrom4([4]byte{169, 254, 1, 3}) // the host's on HostLink
)

// Ethernet addresses of a node's own links, the same on every node: no frame with
// them leaves it. Neighbours are known by them, nobody asks by ARP.
var (
	GatewayMAC = net.HardwareAddr{0x02, 0x6f, 0x72, 0x63, 0xff, 1} // of the router's ends of containers' links
	RouterMAC  = net.HardwareAddr{0x02, 0x6f, 0x72, 0x63, 0xff, 2} // of Uplink
	HostMAC    = net.HardwareAddr{0x02, 0x6f, 0x72, 0x63, 0xff, 3} // of HostLink
)

// MaxNode is the highest node number that has addresses: those below 169.254.144.0
// stay clear of the cloud's metadata service.
const MaxNode = 1<<15 - 1

// NodeIP is node number n's address on the overlay: 169.254.(16+n/256).(n%256).
func NodeIP(n uint16) netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 16 + byte(n>>8), byte(n)}) }

// ContainerMAC is the address of the link of a container whose first address is a:
// 02:6f and its four bytes.
func ContainerMAC(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return net.HardwareAddr{0x02, 0x6f, b[0], b[1], b[2], b[3]}
}

// NodeMAC is node number n's address on the overlay's link: 02:6f:72:63:HH:LL, a
// locally administered one.
func NodeMAC(n uint16) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0x6f, 0x72, 0x63, byte(n >> 8), byte(n)}
}

package rules

import "net/netip"

// State is what a node's rules are made from: all of it, as intended. All addresses
// and prefixes are IPv4.
type State struct {
	Links Links

	// Services are backends by virtual address. Those without backends are to be left
	// out: who asks for them is told at once that they are unreachable. The order of
	// backends should change as little as they do. Any protocol and port is passed on.
	Services map[netip.Addr][]netip.Addr

	// Ports are those that this node publishes. Those without backends are left out,
	// too: connections are then the host's own, which refuses them.
	Ports map[Port]Published

	// Subnets are all networks that the node takes part in.
	Subnets []Subnet

	// Containers are the node's own, by the name of their link in the router.
	Containers map[string]Container

	// Nodes are the numbers of the other nodes.
	Nodes []uint16

	// HostAddresses are the host's own, those on its loopback and on orc's link apart.
	HostAddresses []netip.Addr

	// Egress says from which of the host's addresses containers reach a destination:
	// by the most specific prefix. Without one for 0.0.0.0/0 there is no way out but
	// to the others.
	Egress []Egress
}

// Links are the indexes of links that packets are handed over by. Zero stands for
// one that does not exist yet: what is to leave by it is dropped.
type Links struct {
	Host    int // scheme.HostLink, in the host's namespace
	Overlay int // scheme.Overlay, in the router's
}

// Port is what is published: a protocol (6 TCP, 17 UDP, 132 SCTP) and a number.
type Port struct {
	Proto  uint8
	Number uint16
}

// Published says where connections to a port go.
type Published struct {
	// HostIP is the one address of the host it is published on. Invalid: on all, and
	// on those of the loopback, too.
	HostIP netip.Addr
	// Backends are containers on this node or others, in an order that should change
	// as little as they do.
	Backends []netip.AddrPort
}

// Subnet is a network.
type Subnet struct {
	Prefix netip.Prefix
	// Isolated ones are for published ports and the way out: their containers cannot
	// reach each other.
	Isolated bool
}

// Container is a container on this node.
type Container struct {
	// Addresses are those it may send from.
	Addresses []netip.Addr
	// Egress lets it reach the outside.
	Egress bool
}

// Egress is a source address by destination.
type Egress struct {
	Prefix netip.Prefix
	Source netip.Addr
}

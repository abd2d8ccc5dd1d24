// Package link keeps a node's links, addresses, routes and neighbours as they are
// meant to be (package scheme has the picture): the router's namespace, its pair
// with the host, the overlay, and a namespace and a pair for every container.
//
// What is meant is a State and the containers that were attached. It is compared
// with what the kernel has, and the difference is written: after a crash, or after
// somebody deleted half of it, the same call brings back what is missing and
// leaves alone what is right, so traffic goes on. Namespaces are bind mounts in
// one directory, and outlive the process.
//
// The package never runs a program, filters a packet (package rules does), or
// touches what is not its own in the host's namespace.
package link

import "net/netip"

// State is all that a node is to know of the cluster.
type State struct {
	// Number is this node's. 0 means that it has none yet: there is no overlay then.
	Number uint16
	// Underlay is the address that peers send to. If the host has it, the overlay's
	// packets leave from it; else (the host is behind NAT) from the kernel's choice.
	// Invalid: there is no overlay.
	Underlay netip.Addr
	// DataPort is the UDP port of the overlay, the same on all nodes.
	DataPort uint16
	// Peers are the other nodes. One whose Address is invalid is left out, with its
	// blocks.
	Peers []Peer
	// Subnets are the networks'. What no block covers is unreachable, and the sender
	// is told at once.
	Subnets []netip.Prefix
	// Blocks are the peers' parts of the subnets; those of nodes that are not among
	// Peers are ignored. An address is in one block at most.
	Blocks []Block
}

// Peer is another node.
type Peer struct {
	Number  uint16
	Address netip.Addr // on the underlay
}

// Block is a range of addresses whose containers run on a peer.
type Block struct {
	Prefix netip.Prefix
	Node   uint16 // the peer's number
}

// Attachment is a container's place in the network.
type Attachment struct {
	// Link is the name of the router's end: at most 15 bytes, unique on the node,
	// and none of scheme's.
	Link string
	// Networks are those it is on, at least one, in order.
	Networks []Membership
	// Source is the address that it leaves the overlay from; invalid means the first
	// network's.
	Source netip.Addr
	// MTU of its link; 0 means the overlay's.
	MTU int
}

// Membership is a container's address on a network.
type Membership struct {
	Address netip.Addr
	Subnet  netip.Prefix
}

// Host is what the node's own namespace looks like, orc's link apart.
type Host struct {
	// Addresses are the host's IPv4 addresses, 127.0.0.0/8 apart, sorted.
	Addresses []netip.Addr
	// Egress says for each destination which of its addresses the host would send
	// from, by its main routing table. Prefixes may lie within one another: the
	// longest that fits counts. Sorted, the longest first.
	Egress []Egress
	// Subnets are the destinations of its routes, the default route apart, sorted.
	Subnets []netip.Prefix
	// MTU is that of the link that has the underlay's address, or of the one that the
	// default route takes.
	MTU int
}

// Egress is the source address for a destination.
type Egress struct {
	Prefix netip.Prefix
	Source netip.Addr
}

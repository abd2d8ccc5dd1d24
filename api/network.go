package api

import (
	"net/netip"
	"slices"
	"time"
)

// Network is what containers talk over, across nodes. Written by the API for a
// user, its Subnet with it.
type Network struct {
	Meta
	Name string      `json:"name"`
	App  string      `json:"app,omitempty"`
	Spec NetworkSpec `json:"spec"`
	// Subnet is what the manager gave it, for good.
	Subnet netip.Prefix `json:"subnet,omitzero"`
}

// Kind implements Object.
func (*Network) Kind() Kind { return KindNetwork }

// UniqueName implements Named.
func (n *Network) UniqueName() string { return n.Name }

// IngressID is the ID and the name of the network that every cluster has: the
// routing mesh reaches published ports over it, and containers that name no network
// reach the outside from it. Containers on it cannot reach each other by it.
const IngressID = "ingress"

// Block is the part of a network's subnet that one node hands out addresses from,
// or, with Node empty, the part that virtual addresses come from. Its ID is
// BlockID. Written by the leader only.
type Block struct {
	Meta
	Network string `json:"network"`
	Node    string `json:"node,omitempty"`
	// Prefixes grow in number with the node's tasks. An address is in one block at
	// most; see Assignable.
	Prefixes []netip.Prefix `json:"prefixes"`
	// Lacks says that the node has more tasks than addresses, and that the subnet
	// has none left for it.
	Lacks bool `json:"lacks,omitempty"`
	// Idle is since when the node has had no task on the network; zero while it has.
	Idle time.Time `json:"idle,omitzero"`
	// Last is the virtual address that was given last, and LastPort, of the ingress
	// network, the automatic port: the next comes after it.
	Last     netip.Addr `json:"last,omitzero"`
	LastPort uint16     `json:"lastPort,omitempty"`
}

// Kind implements Object.
func (*Block) Kind() Kind { return KindBlock }

// BlockID is the ID of a network's block on a node.
func BlockID(network, node string) string { return network + "." + node }

// Assignable reports whether an address of a subnet may be given to anybody: its
// first and its last may not, for software takes them for the network's own and for
// its broadcast.
func Assignable(subnet netip.Prefix, address netip.Addr) bool {
	return subnet.Contains(address) && address != subnet.Addr() && subnet.Contains(address.Next())
}

// Endpoint is what a service is reached at. Its ID is the service's. Written with
// the service, in the same transaction.
type Endpoint struct {
	Meta
	// Virtual is the service's address on each of its networks, by network ID.
	// Empty for the endpoint mode dnsrr, whose name stands for the tasks' addresses.
	Virtual map[string]netip.Addr `json:"virtual,omitempty"`
	// Ports are the spec's with the automatic ones filled in, in its order.
	Ports []Port `json:"ports,omitempty"`
	// Lacks says what of the spec it does not have and why, a sentence each: a
	// rollback by the leader may find that a port is another's by now.
	Lacks []string `json:"lacks,omitempty"`
}

// Kind implements Object.
func (*Endpoint) Kind() Kind { return KindEndpoint }

// Reachable says whether others can find the service's containers: by a port that it
// publishes, or over a network that it names.
func (s *ServiceSpec) Reachable() bool {
	return s.NetworkMode == "" && (len(s.Ports) > 0 || slices.ContainsFunc(s.Networks, func(a NetworkAttachment) bool { return a.Network != IngressID }))
}

// Attachments are the networks a service's containers are on, in order: those it
// names, and the ingress network when it names none or publishes a port.
// None for the network modes host and none.
func (s *ServiceSpec) Attachments() []NetworkAttachment {
	if s.NetworkMode != "" {
		return nil
	}
	if len(s.Networks) > 0 && len(s.Ports) == 0 {
		return s.Networks
	}
	if slices.ContainsFunc(s.Networks, func(a NetworkAttachment) bool { return a.Network == IngressID }) {
		return s.Networks
	}
	return append(slices.Clip(s.Networks), NetworkAttachment{Network: IngressID})
}

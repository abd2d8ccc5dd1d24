package wire

import (
	"net/netip"

	"github.com/orc-project/orc/api"
)

// NetworkState is what a node must know of the cluster's networks, as changes: each
// table by ID. It names the networks that the node's tasks are on, and the ingress
// network; what others have there, and nothing of other networks. With Down.Full it
// is all there is.
type NetworkState struct {
	Networks Changes[Network] `cbor:"1,keyasint,omitzero"` // by network ID
	Peers    Changes[Peer]    `cbor:"2,keyasint,omitzero"` // by node ID, this node not among them
	Blocks   Changes[Block]   `cbor:"3,keyasint,omitzero"` // by api.BlockID, this node's own among them
	Services Changes[Service] `cbor:"4,keyasint,omitzero"` // by service ID
	Backends Changes[Backend] `cbor:"5,keyasint,omitzero"` // by task ID
}

// Changes are what became of a table: Set adds or replaces, Gone removes.
type Changes[T any] struct {
	Set  map[string]T `cbor:"1,keyasint,omitempty"`
	Gone []string     `cbor:"2,keyasint,omitempty"`
}

// Empty reports whether nothing changes.
func (c Changes[T]) Empty() bool { return len(c.Set) == 0 && len(c.Gone) == 0 }

// Empty reports whether nothing changes.
func (s *NetworkState) Empty() bool {
	return s == nil || s.Networks.Empty() && s.Peers.Empty() && s.Blocks.Empty() && s.Services.Empty() && s.Backends.Empty()
}

// Network is a network that the node takes part in.
type Network struct {
	Name     string       `cbor:"1,keyasint"`
	Subnet   netip.Prefix `cbor:"2,keyasint"`
	Internal bool         `cbor:"3,keyasint,omitempty"`
	MTU      int          `cbor:"4,keyasint,omitempty"` // 0: what the underlay allows
	// Virtual are the prefixes that virtual addresses come from.
	Virtual []netip.Prefix `cbor:"5,keyasint,omitempty"`
}

// Peer is another node that runs containers.
type Peer struct {
	Number  uint16     `cbor:"1,keyasint"`
	Name    string     `cbor:"2,keyasint"`
	Address netip.Addr `cbor:"3,keyasint,omitzero"` // on the underlay; invalid when not known yet
}

// Block says which node hands out which addresses of a network.
type Block struct {
	Network  string         `cbor:"1,keyasint"`
	Node     uint16         `cbor:"2,keyasint"` // its number
	Prefixes []netip.Prefix `cbor:"3,keyasint"`
	// Lacks says that the node has more tasks than that, and the subnet no more.
	Lacks bool `cbor:"4,keyasint,omitempty"`
}

// Service is what can be reached under one name. It is there with a service's first
// task and as long as the service is.
type Service struct {
	Name string `cbor:"1,keyasint"` // as stored: APP_SERVICE
	App  string `cbor:"2,keyasint,omitempty"`
	// Networks are those that the service and the node share, by network ID, and the
	// ingress network when it publishes ports.
	Networks map[string]ServiceNetwork `cbor:"3,keyasint"`
	// Ports are published on every node (ingress) or on the tasks' (host); Published
	// is set in all of them.
	Ports []api.Port `cbor:"4,keyasint,omitempty"`
	// DrainDelay is the service's, set.
	DrainDelay api.Duration `cbor:"5,keyasint"`
}

// ServiceNetwork is a service on one network.
type ServiceNetwork struct {
	Virtual netip.Addr `cbor:"1,keyasint,omitzero"` // invalid: its name stands for the tasks' addresses
	Aliases []string   `cbor:"2,keyasint,omitempty"`
}

// Backend is a task that takes connections, or that just stopped to.
type Backend struct {
	Service string `cbor:"1,keyasint"`
	Node    uint16 `cbor:"2,keyasint"` // its number
	Slot    int    `cbor:"3,keyasint,omitempty"`
	// Name is the task's, Hostname its container's.
	Name     string `cbor:"4,keyasint"`
	Hostname string `cbor:"5,keyasint,omitempty"`
	// Addresses are on the networks of Service.Networks.
	Addresses map[string]netip.Addr `cbor:"6,keyasint"`
	// Draining ones get no new connections; those they have are let go on for the
	// service's DrainDelay.
	Draining bool `cbor:"7,keyasint,omitempty"`
	// Away ones are on a node that is down. They get new connections only while their
	// service has no others: the containers may run on, cut off from the managers alone.
	Away bool `cbor:"8,keyasint,omitempty"`
}

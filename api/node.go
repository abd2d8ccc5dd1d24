package api

import (
	"net/netip"
	"time"
)

// Node is a host of the cluster as an operator wants it.
type Node struct {
	Meta
	Name         string            `json:"name"` // the host name, or --name
	Role         Role              `json:"role"`
	Availability Availability      `json:"availability"`
	Labels       map[string]string `json:"labels,omitempty"`
	// Term counts the changes of the role. A certificate says in which it was issued: one of
	// a term that is over gives the role of then to nobody.
	Term int `json:"term,omitempty"`
	// Number is small, unique and never used twice at once: it names the node in
	// the overlay (MAC, inner address, mark). Given at joining, from 1.
	Number uint16 `json:"number"`
	// Member is the etcd member's ID of a manager; 0 for a worker.
	Member uint64 `json:"member,omitempty"`
	// API is where others reach a manager's API (host:port), or reached what was one.
	API string `json:"api,omitempty"`
	// KeyStep is the last step of a rotation of keys that a manager has done; see
	// KeyRotation.
	KeyStep int `json:"keyStep,omitempty"`
	// Trust is a manager's, as it has it on its disk; a worker's is in its NodeInfo.
	Trust Trust `json:"trust,omitzero"`
	// Runs says whether the node runs containers (a manager with --no-agent does not).
	Runs bool `json:"runs"`
}

// Kind implements Object.
func (*Node) Kind() Kind { return KindNode }

// Role is what a node's certificate lets it do.
type Role string

// The roles.
const (
	RoleManager Role = "manager"
	RoleWorker  Role = "worker"
)

// Availability says whether a node gets tasks.
type Availability string

// The availabilities.
const (
	AvailabilityActive Availability = "active"
	AvailabilityPause  Availability = "pause" // keeps its tasks, gets no new ones
	AvailabilityDrain  Availability = "drain" // its tasks go elsewhere
)

// NodeStatus is what is known of a node. Its ID is the node's. Written by the
// manager that holds the node's session, at transitions only.
type NodeStatus struct {
	Meta
	State NodeState `json:"state"`
	Since time.Time `json:"since,omitzero"`
	// Session is the ID of the newest session; an older one may not write.
	Session string `json:"session,omitempty"`
	// Manager is the ID of the manager that holds the session.
	Manager string   `json:"manager,omitempty"`
	Message string   `json:"message,omitempty"`
	Info    NodeInfo `json:"info"`
}

// Kind implements Object.
func (*NodeStatus) Kind() Kind { return KindNodeStatus }

// NodeState says whether a node's session is up.
type NodeState string

// The states of a node.
const (
	NodeUnknown NodeState = "unknown" // joined, never seen
	NodeReady   NodeState = "ready"
	NodeDown    NodeState = "down"
)

// NodeInfo is what a node tells of itself.
type NodeInfo struct {
	Hostname string   `json:"hostname"`
	Platform Platform `json:"platform"`
	Kernel   string   `json:"kernel,omitempty"`
	OS       string   `json:"os,omitempty"` // /etc/os-release's PRETTY_NAME
	// Capacity is what tasks may reserve: cores, memory, generic resources.
	Capacity ResourceSet `json:"capacity"`
	// Address is the one other nodes reach it at; the manager fills in the
	// session's source address when the node gives none.
	Address netip.Addr        `json:"address,omitzero"`
	Version string            `json:"version,omitempty"` // orc's
	Engine  map[string]string `json:"engine,omitempty"`  // engine.labels.*, versions of containerd and runc
	// Volumes are the named local volumes that the node has, sorted.
	Volumes []string `json:"volumes,omitempty"`
	// Subnets are the networks that the host itself reaches by a route of its own,
	// orc's apart, sorted: no container network should overlap them.
	Subnets []netip.Prefix `json:"subnets,omitempty"`
	// Trust is as the node has it on its disk.
	Trust Trust `json:"trust,omitzero"`
}

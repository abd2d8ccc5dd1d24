package api

// Mode says how a service's tasks are counted.
type Mode string

// The modes.
const (
	ModeReplicated    Mode = "replicated"     // Replicas tasks, anywhere
	ModeGlobal        Mode = "global"         // one task on every node that fits
	ModeReplicatedJob Mode = "replicated-job" // Completions tasks that run to their end
	ModeGlobalJob     Mode = "global-job"     // one task to its end on every node that fits
)

// Job reports whether the mode's tasks are meant to end.
func (m Mode) Job() bool { return m == ModeReplicatedJob || m == ModeGlobalJob }

// Global reports whether the mode has a task per node.
func (m Mode) Global() bool { return m == ModeGlobal || m == ModeGlobalJob }

// Service is a wish: so many tasks of this kind. Its spec is kept in Revisions;
// Current says which one is wanted now.
//
// Written by the API for a user; the leader only moves Current back when an
// update fails and its failure action is rollback.
type Service struct {
	Meta
	Name string `json:"name"`
	// App is the ID of the app that owns the service; empty for a service made
	// by `orc service create`. AppName is the app's name.
	App     string `json:"app,omitempty"`
	AppName string `json:"appName,omitempty"`
	// Current is the number of the revision that is wanted. Numbers begin at 1.
	Current int `json:"current"`
	// Previous is the number a rollback goes to; 0 for none.
	Previous int `json:"previous,omitempty"`
	// Last is the highest number given so far.
	Last int `json:"last"`
	// Replicas is the wanted count for the replicated modes: outside of the
	// spec, so that scaling is no rollout and a rollback does not scale.
	Replicas int `json:"replicas"`
	// Forced counts `service update --force`: a change rolls every task although
	// the spec is the same. It is copied into the revision.
	Forced int `json:"forced,omitempty"`
	// Rebalance counts `service rebalance`: a change moves tasks to where they are
	// spread better.
	Rebalance int `json:"rebalance,omitempty"`
}

// Kind implements Object.
func (*Service) Kind() Kind { return KindService }

// UniqueName implements Named.
func (s *Service) UniqueName() string { return s.Name }

// Revision is one numbered spec of a service. It never changes once written.
// Its ID is RevisionID(service, number).
type Revision struct {
	Meta
	Service string      `json:"service"`
	Number  int         `json:"number"`
	Spec    ServiceSpec `json:"spec"`
}

// Kind implements Object.
func (*Revision) Kind() Kind { return KindRevision }

// ServiceSpec is everything a user says about a service.
type ServiceSpec struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	Mode   Mode              `json:"mode"`
	// Replicas is the count asked for at submit; nil means the default of 1, or
	// unchanged on an update. The service's own Replicas is what counts.
	Replicas *int `json:"replicas,omitempty"`
	// MaxConcurrent bounds the tasks of a job that run at once; 0 means all.
	MaxConcurrent int `json:"maxConcurrent,omitempty"`
	// Schedule is a cron expression for a job; empty means run once per revision.
	Schedule string `json:"schedule,omitempty"`

	Container ContainerSpec `json:"container"`
	Resources Resources     `json:"resources,omitzero"`
	Restart   RestartPolicy `json:"restart,omitzero"`
	Placement Placement     `json:"placement,omitzero"`
	Update    UpdateConfig  `json:"update,omitzero"`
	Rollback  UpdateConfig  `json:"rollback,omitzero"`

	// NetworkMode is "" (the networks listed), "host" or "none".
	NetworkMode string              `json:"networkMode,omitempty"`
	Networks    []NetworkAttachment `json:"networks,omitempty"`
	Endpoint    EndpointMode        `json:"endpoint,omitempty"`
	Ports       []Port              `json:"ports,omitempty"`
	// DrainDelay is how long connections are given after a leaving task was taken
	// out of load balancing and before its stop signal; default 2 s.
	DrainDelay *Duration `json:"drainDelay,omitempty"`

	// StopIsolated is for how long tasks run on on a node that no manager reaches,
	// before they are stopped until one does; nil means without end.
	StopIsolated *Duration `json:"stopIsolated,omitempty"`

	// DependsOn orders the first start of an app's services and, in reverse,
	// their removal.
	DependsOn []Dependency `json:"dependsOn,omitempty"`
	// Force is Service.Forced at submit: a number that changes to roll every task.
	Force int `json:"force,omitempty"`
}

// NetworkAttachment puts a service on a network.
type NetworkAttachment struct {
	// Network is the network's name at submit, its ID once stored.
	Network string   `json:"network"`
	Aliases []string `json:"aliases,omitempty"`
}

// EndpointMode says what a service's name resolves to.
type EndpointMode string

// The endpoint modes.
const (
	EndpointVIP   EndpointMode = "vip"   // one virtual address
	EndpointDNSRR EndpointMode = "dnsrr" // the tasks' addresses
)

// Port is a published port.
type Port struct {
	Name     string `json:"name,omitempty"`
	Protocol string `json:"protocol"` // tcp or udp
	// Target is the container's port.
	Target uint16 `json:"target"`
	// Published is the port on the nodes; 0 lets the manager choose one from
	// 30000–32767.
	Published uint16 `json:"published,omitempty"`
	// Mode is "ingress" (every node) or "host" (the task's node).
	Mode string `json:"mode"`
	// HostIP binds to one of the node's addresses; empty means all.
	HostIP string `json:"hostIp,omitempty"`
	// LocalFirst prefers tasks on the node that was asked (ingress only).
	LocalFirst bool `json:"localFirst,omitempty"`
}

// DependencyCondition says when a dependency is met.
type DependencyCondition string

// The conditions, named as Compose names them.
const (
	DependencyStarted   DependencyCondition = "service_started"
	DependencyHealthy   DependencyCondition = "service_healthy"
	DependencyCompleted DependencyCondition = "service_completed_successfully"
)

// Dependency is a service of the same app that must come first.
type Dependency struct {
	Service   string              `json:"service"` // the name within the app's file
	Condition DependencyCondition `json:"condition"`
}

// Image is the container's, for templates that say {{.Spec.Image}}.
func (s ServiceSpec) Image() string { return s.Container.Image }

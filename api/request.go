package api

import "time"

// VersionInfo answers GET /v1/version: what the manager is.
type VersionInfo struct {
	Version string            `json:"version"`
	Commit  string            `json:"commit,omitempty"`
	Parts   map[string]string `json:"parts,omitempty"` // versions of etcd, Go, …
}

// ClusterView answers GET /v1/cluster: the Cluster without its secrets.
type ClusterView struct {
	Meta
	Name     string   `json:"name"`
	Identity string   `json:"identity"`
	Roots    []byte   `json:"roots"` // PEM
	Settings Settings `json:"settings"`
	// Keys is how far a rotation of the database's keys is, and Waiting the names of
	// the managers that it waits for.
	Keys    KeyRotation `json:"keys,omitzero"`
	Waiting []string    `json:"waiting,omitempty"`
	// Managers are the addresses (host:port) of all managers.
	Managers []string `json:"managers"`
	// Leader is the ID of the node that leads; empty while none does.
	Leader string `json:"leader,omitempty"`
}

// JoinToken answers GET /v1/tokens/{role} and POST /v1/tokens.
type JoinToken struct {
	ID    string `json:"id"` // for DELETE /v1/tokens/{id}
	Role  Role   `json:"role"`
	Token string `json:"token"`
	// Expires and Uses are its limits, if it has some.
	Expires time.Time `json:"expires,omitzero"`
	Uses    int       `json:"uses,omitempty"`
	// Command is the line to run on the host that joins.
	Command string `json:"command"`
}

// ClientRequest is POST /v1/clients: make a certificate for a user.
type ClientRequest struct {
	Name string `json:"name"`
}

// ClientBundle is all that a client elsewhere needs to use the cluster.
type ClientBundle struct {
	Name        string   `json:"name"`
	Cluster     string   `json:"cluster"`     // Cluster.Identity
	ClusterName string   `json:"clusterName"` // for people
	Certificate []byte   `json:"certificate"` // PEM
	Key         []byte   `json:"key"`         // PEM
	Roots       []byte   `json:"roots"`       // PEM
	Addresses   []string `json:"addresses"`   // managers, host:port
}

// NodeUpdate is PATCH /v1/nodes/{ref}; nil leaves things as they are.
type NodeUpdate struct {
	Name         *string           `json:"name,omitempty"`
	Role         *Role             `json:"role,omitempty"`
	Availability *Availability     `json:"availability,omitempty"`
	LabelsAdd    map[string]string `json:"labelsAdd,omitempty"`
	LabelsRemove []string          `json:"labelsRemove,omitempty"`
	// Force demotes a manager that the others cannot do without: from then on
	// nothing can be changed until those that are down are back.
	Force bool `json:"force,omitempty"`
}

// ServiceCreate is POST /v1/services.
type ServiceCreate struct {
	Spec ServiceSpec `json:"spec"`
	// NoResolve keeps the image's tag instead of its digest.
	NoResolve bool `json:"noResolve,omitempty"`
}

// ServiceUpdate is PUT /v1/services/{ref}. What the spec leaves out gets its
// default, not what it was; only RegistryAuth, which nobody can read back, and
// the number of replicas stay when they are left out.
type ServiceUpdate struct {
	Spec ServiceSpec `json:"spec"`
	// Version is the Meta.Version that the change is based on; 0 is whichever.
	Version int64 `json:"version,omitempty"`
	// Force rolls every task although nothing differs.
	Force     bool `json:"force,omitempty"`
	NoResolve bool `json:"noResolve,omitempty"`
}

// ServiceAnswer tells what became of a service.
type ServiceAnswer struct {
	Service ServiceView `json:"service"`
	// Changed is false when the service is already so.
	Changed bool `json:"changed"`
	// Changes are the fields that differ, in words.
	Changes  []string `json:"changes,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// RollbackRequest is POST …/rollback.
type RollbackRequest struct {
	// To is a revision's number; 0 is the previous one.
	To int `json:"to,omitempty"`
}

// RebalanceRequest is POST /v1/rebalance.
type RebalanceRequest struct {
	// Services are references; none means all that have anything to move.
	Services []string `json:"services,omitempty"`
	// DryRun tells what would be moved and moves nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// Rebalance tells what becomes of a service in a rebalance.
type Rebalance struct {
	Service ServiceView `json:"service"`
	// Moves are in order; some may turn out otherwise when room or tasks change
	// meanwhile.
	Moves []TaskMove `json:"moves,omitempty"`
	// Message says why there are none.
	Message string `json:"message,omitempty"`
}

// TaskMove is a task that is replaced by one on another node.
type TaskMove struct {
	Task     string `json:"task"` // ID
	Name     string `json:"name"` // SERVICE.SLOT
	From     string `json:"from"` // node IDs and names
	FromName string `json:"fromName"`
	To       string `json:"to"`
	ToName   string `json:"toName"`
	Reason   string `json:"reason"`
}

// RevisionView is one entry of a service's or app's history.
type RevisionView struct {
	Number  int  `json:"number"`
	Current bool `json:"current"`
	Meta
	// Image of a service's revision.
	Image string `json:"image,omitempty"`
	// Changes are what differs from the revision before, in words.
	Changes []string `json:"changes,omitempty"`
	// Service or App is the spec, whichever it is a revision of.
	Service *ServiceSpec `json:"service,omitempty"`
	App     *AppSpec     `json:"app,omitempty"`
}

// AppDeploy is POST /v1/apps.
type AppDeploy struct {
	Spec AppSpec `json:"spec"`
	// Prune removes services that the app has and the spec has not.
	Prune bool `json:"prune,omitempty"`
	// DryRun tells what would be done and does nothing.
	DryRun    bool `json:"dryRun,omitempty"`
	NoResolve bool `json:"noResolve,omitempty"`
}

// Deployment tells what a deploy did or would do.
type Deployment struct {
	App      string `json:"app"` // ID; empty for a dry run of a new app
	Name     string `json:"name"`
	Revision int    `json:"revision"`
	// Changed is false when the app is already so.
	Changed  bool         `json:"changed"`
	Steps    []DeployStep `json:"steps,omitempty"`
	Warnings []string     `json:"warnings,omitempty"`
}

// DeployStep is what a deploy does to one object.
type DeployStep struct {
	Action string `json:"action"` // create, update, remove, or keep
	Object Kind   `json:"object"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
	// Changes are the fields that differ, in words.
	Changes []string `json:"changes,omitempty"`
}

// LoadProgress is one line of the answer to POST /v1/images.
type LoadProgress struct {
	Node     string `json:"node,omitempty"`
	NodeName string `json:"nodeName,omitempty"`
	// State is sending, loaded or failed for a node, and done for the last line,
	// which is about the cluster.
	State   string `json:"state"`
	Message string `json:"message,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"` // sent so far
	Total   int64  `json:"total,omitempty"` // 0 when not known
	// Images are those of the archive, in the last line.
	Images []Image `json:"images,omitempty"`
}

// The states of LoadProgress.
const (
	LoadSending = "sending"
	LoadLoaded  = "loaded"
	LoadFailed  = "failed"
	LoadDone    = "done"
)

// FileUpdate is PUT /v1/secrets/{ref} and /v1/configs/{ref}: new content, which
// rolls the services that use it.
type FileUpdate struct {
	Data   []byte            `json:"data,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

package api

// Kind names a table of the database.
type Kind string

// The tables.
const (
	KindCluster     Kind = "cluster"
	KindNode        Kind = "node"
	KindNodeStatus  Kind = "node-status"
	KindApp         Kind = "app"
	KindAppRevision Kind = "app-revision"
	KindService     Kind = "service"
	KindRevision    Kind = "revision"
	KindRollout     Kind = "rollout"
	KindTask        Kind = "task"
	KindTaskStatus  Kind = "task-status"
	KindNetwork     Kind = "network"
	KindEndpoint    Kind = "endpoint"
	KindSecret      Kind = "secret"
	KindConfig      Kind = "config"
	KindVolume      Kind = "volume"
	KindImage       Kind = "image"
)

// Object is anything that the database keeps.
type Object interface {
	Kind() Kind
	Header() *Meta
}

// Named is an Object whose name no other object of its kind may have.
// The empty string means that this one has no name.
type Named interface {
	Object
	UniqueName() string
}

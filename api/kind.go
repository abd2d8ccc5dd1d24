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
	KindBlock       Kind = "block"
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

// Kinds are the kinds that objects exist of, in no meaningful order.
var Kinds = []Kind{
	KindCluster, KindNode, KindNodeStatus, KindApp, KindAppRevision, KindService, KindRevision, KindRollout,
	KindTask, KindTaskStatus, KindNetwork, KindBlock, KindEndpoint, KindSecret, KindConfig, KindVolume, KindImage,
}

// NewObject returns an empty object of the kind, or nil if the kind is unknown.
func NewObject(kind Kind) Object {
	switch kind {
	case KindCluster:
		return new(Cluster)
	case KindNode:
		return new(Node)
	case KindNodeStatus:
		return new(NodeStatus)
	case KindApp:
		return new(App)
	case KindAppRevision:
		return new(AppRevision)
	case KindService:
		return new(Service)
	case KindRevision:
		return new(Revision)
	case KindRollout:
		return new(Rollout)
	case KindTask:
		return new(Task)
	case KindTaskStatus:
		return new(TaskStatus)
	case KindNetwork:
		return new(Network)
	case KindBlock:
		return new(Block)
	case KindEndpoint:
		return new(Endpoint)
	case KindSecret:
		return new(Secret)
	case KindConfig:
		return new(Config)
	case KindVolume:
		return new(Volume)
	case KindImage:
		return new(Image)
	}
	return nil
}

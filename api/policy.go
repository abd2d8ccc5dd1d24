package api

import "time"

// Resources are what a task may take at most (Limits), and what a node must
// have left to get it (Reservations).
type Resources struct {
	Limits       ResourceSet `json:"limits,omitzero"`
	Reservations ResourceSet `json:"reservations,omitzero"`
}

// ResourceSet is an amount of each resource; zero is "not said".
type ResourceSet struct {
	NanoCPUs int64            `json:"nanoCpus,omitempty"` // 1e9 is one core
	Memory   int64            `json:"memory,omitempty"`   // bytes
	Pids     int64            `json:"pids,omitempty"`
	Generic  map[string]int64 `json:"generic,omitempty"` // named by the operator, as gpu=2
}

// RestartCondition says after which ends a container is started again.
type RestartCondition string

// The restart conditions.
const (
	RestartAny       RestartCondition = "any"
	RestartOnFailure RestartCondition = "on-failure"
	RestartNone      RestartCondition = "none"
)

// RestartPolicy says when a task's container is started again on its node.
// Defaults: any, 5 s, no limit, window 0. The first restart of a container that
// ran well is immediate; from the second on, Delay grows up to MaxRestartDelay.
type RestartPolicy struct {
	Condition RestartCondition `json:"condition,omitempty"`
	Delay     *Duration        `json:"delay,omitempty"`
	// MaxAttempts within Window (0: ever) before the task has failed; nil or 0
	// means no limit.
	MaxAttempts *int     `json:"maxAttempts,omitempty"`
	Window      Duration `json:"window,omitempty"`
}

// FailureAction says what a failing update does.
type FailureAction string

// The failure actions. A rollback cannot be rolled back: it pauses.
const (
	FailurePause    FailureAction = "pause"
	FailureContinue FailureAction = "continue"
	FailureRollback FailureAction = "rollback"
)

// UpdateOrder says which of an old and a new task goes first.
type UpdateOrder string

// The orders.
const (
	StopFirst  UpdateOrder = "stop-first"
	StartFirst UpdateOrder = "start-first"
)

// UpdateConfig paces an update or a rollback.
type UpdateConfig struct {
	// Parallelism is how many slots change at once; nil means 1, 0 means all.
	Parallelism *int     `json:"parallelism,omitempty"`
	Delay       Duration `json:"delay,omitempty"`
	// Monitor is how long a new task must stay up to count as well; nil means 5 s.
	Monitor         *Duration     `json:"monitor,omitempty"`
	FailureAction   FailureAction `json:"failureAction,omitempty"`
	MaxFailureRatio float64       `json:"maxFailureRatio,omitempty"` // 0 to 1
	Order           UpdateOrder   `json:"order,omitempty"`
}

// Placement says where tasks may run.
type Placement struct {
	Constraints []string     `json:"constraints,omitempty"` // "node.labels.zone==a"
	Preferences []Preference `json:"preferences,omitempty"`
	// MaxPerNode bounds the tasks of this service on one node; 0 means no bound.
	MaxPerNode int        `json:"maxPerNode,omitempty"`
	Platforms  []Platform `json:"platforms,omitempty"` // set from the image
	// Rebalance moves tasks by itself, as `service rebalance` does when it is asked
	// to, once nodes have come back or joined.
	Rebalance bool `json:"rebalance,omitempty"`
}

// Preference spreads tasks over the values of a node attribute.
type Preference struct {
	Spread string `json:"spread"` // "node.labels.zone"
}

// Platform is an operating system and an architecture by Go's names.
type Platform struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
}

// The defaults of a service, as Docker Swarm's.
const (
	DefaultStopGrace      = 10 * time.Second
	DefaultRestartDelay   = 5 * time.Second
	MaxRestartDelay       = 5 * time.Minute
	DefaultUpdateMonitor  = 5 * time.Second
	DefaultDrainDelay     = 2 * time.Second
	DefaultHealthInterval = 30 * time.Second
	DefaultHealthTimeout  = 30 * time.Second
	DefaultStartInterval  = 5 * time.Second
	DefaultHealthRetries  = 3
	DefaultShmSize        = 64 << 20
	DefaultLogMaxSize     = 10 << 20
	DefaultLogMaxFiles    = 3
	// HistoryLimit is how many ended tasks or attempts per slot, and how many
	// revisions per service and app beside those in use, are kept.
	TaskHistoryLimit     = 5
	RevisionHistoryLimit = 10
)

// Package scheduler decides: from a snapshot and a time it plans steps, each
// with its reason in plain words. It is pure. It has no clock, does no I/O, knows
// no etcd, and never acts: the leader applies its steps, and `orc deploy
// --dry-run` prints them. The same snapshot and time give the same plan.
package scheduler

import (
	"time"

	"github.com/orc-project/orc/api"
)

// Plan is what should be done now, and when to ask again although nothing
// changed.
type Plan struct {
	Steps []Step
	// Wake is when time alone makes a difference (a delay, a monitor window); zero
	// for never.
	Wake time.Time
}

// Step is one change. Each is safe alone and in the order given; a batch of them
// is committed together. Steps of one service stand together.
type Step struct {
	Action Action
	// Service is the ID of the service it is for.
	Service string
	// Before is the object that is replaced or deleted (nil: After is new), and
	// After what it becomes (nil: it is deleted).
	Before, After api.Object
	// Needs, which may be nil, is an object that must still be as the plan saw it
	// unless another step of the batch writes it; with version 0 it must not exist.
	Needs api.Object
	// Reason is for people: "slot 2: node n3 is down".
	Reason string
}

// Action names a step, for people and events.
type Action string

// The actions.
const (
	CreateTask    Action = "create"   // a new task, placed or pending
	PlaceTask     Action = "place"    // a pending task got its node
	PrepareTask   Action = "prepare"  // a new task that is made ready to take another's place
	StartTask     Action = "start"    // it takes it
	ExplainTask   Action = "explain"  // a pending task's reason changed
	CarryTask     Action = "carry"    // a task belongs to a later revision without being replaced
	StopTask      Action = "stop"     // Desired moves to shutdown
	DiscardTask   Action = "discard"  // Desired moves to remove
	ForgetTask    Action = "forget"   // an ended task and its status leave the history
	LoseTask      Action = "lose"     // a status is written for a task whose node is gone
	StepRollout   Action = "rollout"  // the rollout's record changes
	RevertService Action = "rollback" // the service goes back to its previous revision
	ForgetSpec    Action = "trim"     // a revision that nothing needs any more
)

package api

import "time"

// Rollout is how far a service has come on its way from one revision to
// another. Its ID is the service's. Written by the leader only.
type Rollout struct {
	Meta
	// From and To are revision numbers.
	From    int          `json:"from"`
	To      int          `json:"to"`
	State   RolloutState `json:"state"`
	Started time.Time    `json:"started,omitzero"`
	Ended   time.Time    `json:"ended,omitzero"`
	// Failed are the slots (or node IDs of global services) whose new task
	// failed within its monitor window. Done counts those that count as well.
	Failed []string `json:"failed,omitempty"`
	// Rebalance is the Service.Rebalance that it has taken care of; Moved is how
	// many tasks a rebalance has moved so far.
	Rebalance int `json:"rebalance,omitempty"`
	Moved     int `json:"moved,omitempty"`
	// Targets are the nodes (IDs) that a rebalance moves slots to, until it ends.
	Targets map[int]string `json:"targets,omitempty"`
	// Message says why it is paused, and how to go on.
	Message string `json:"message,omitempty"`
}

// Kind implements Object.
func (*Rollout) Kind() Kind { return KindRollout }

// RolloutState is where a rollout stands.
type RolloutState string

// The states of a rollout.
const (
	RolloutUpdating         RolloutState = "updating"
	RolloutPaused           RolloutState = "paused"
	RolloutCompleted        RolloutState = "completed"
	RolloutRollingBack      RolloutState = "rollback_started"
	RolloutRollbackPaused   RolloutState = "rollback_paused"
	RolloutRollbackComplete RolloutState = "rollback_completed"
	// A rebalance moves tasks of one revision.
	RolloutRebalancing      RolloutState = "rebalancing"
	RolloutRebalanced       RolloutState = "rebalanced"
	RolloutRebalanceStopped RolloutState = "rebalance_stopped"
)

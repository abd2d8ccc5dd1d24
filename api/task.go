package api

import (
	"net/netip"
	"time"
)

// Task is one slot of a service at one revision on one node. It is small: it
// refers to its revision and never copies it. It is placed once; moving means a
// new task. Written by the leader only.
//
//	pending ──(NodeID set)──▶ on a node ──(Desired=shutdown)──▶ ends ──▶ history ──▶ removed
//
// One that is to replace another is on its node as ready, and runs when the other has
// ended.
type Task struct {
	Meta
	Service  string `json:"service"`
	Revision int    `json:"revision"`
	// Slot is 1…n for the replicated modes and 0 for the global ones, whose
	// tasks are told apart by Node.
	Slot int    `json:"slot,omitempty"`
	Node string `json:"node,omitempty"` // ID; empty while pending
	// Desired is what the node should make of it.
	Desired Desired `json:"desired"`
	// Iteration counts the runs of a job; a task belongs to one.
	Iteration int `json:"iteration,omitempty"`
	// Reason says in plain words why the task is as it is: why pending, why shut
	// down, what it replaces.
	Reason string `json:"reason,omitempty"`
	// Retry is when a task that ended by itself gets a successor.
	Retry time.Time `json:"retry,omitzero"`
}

// Kind implements Object.
func (*Task) Kind() Kind { return KindTask }

// Desired is a task's goal.
type Desired string

// The goals; they only move down this list.
const (
	DesiredReady    Desired = "ready" // make all that takes long, start nothing
	DesiredRun      Desired = "run"
	DesiredShutdown Desired = "shutdown" // stop, keep logs and status as history
	DesiredRemove   Desired = "remove"   // stop and forget everything
)

// TaskStatus is what the agent observed of a task. Its ID is the task's. It is
// written only on behalf of the node the task is on, and only moves forward.
type TaskStatus struct {
	Meta
	Node  string    `json:"node"`
	State TaskState `json:"state"`
	// Since is when State was entered (the node's clock).
	Since time.Time `json:"since,omitzero"`
	// Message is for people: what is going on, or what went wrong.
	Message string `json:"message,omitempty"`
	// Healthy is nil without a health check.
	Healthy *bool `json:"healthy,omitempty"`
	// Attempts are the containers so far, oldest first, the last
	// TaskHistoryLimit of them; the last one is the current one.
	Attempts []Attempt `json:"attempts,omitempty"`
	// Restarts counts every start after the first.
	Restarts int `json:"restarts,omitempty"`
	// NextStart is when a container that ended is started again.
	NextStart time.Time `json:"nextStart,omitzero"`
	// Addresses are the task's addresses by network ID.
	Addresses map[string]netip.Addr `json:"addresses,omitempty"`
	// Checks are the last health checks, oldest first, at most 5.
	Checks []CheckResult `json:"checks,omitempty"`
}

// Kind implements Object.
func (*TaskStatus) Kind() Kind { return KindTaskStatus }

// Attempt is one container of a task.
type Attempt struct {
	Container string    `json:"container"`
	Pid       int       `json:"pid,omitempty"`
	Started   time.Time `json:"started,omitzero"`
	Finished  time.Time `json:"finished,omitzero"`
	// ExitCode is 128+signal for a signal, as shells have it; -1 before the end.
	ExitCode  int    `json:"exitCode"`
	OOMKilled bool   `json:"oomKilled,omitempty"`
	Error     string `json:"error,omitempty"`
}

// CheckResult is one run of a health check.
type CheckResult struct {
	Started  time.Time `json:"started"`
	Duration Duration  `json:"duration"`
	ExitCode int       `json:"exitCode"`
	Output   string    `json:"output,omitempty"` // at most 4 KiB
}

// TaskState is how far a task has come.
type TaskState string

// The states, in order. The first three are never written by an agent.
const (
	TaskPending   TaskState = "pending"   // no node yet
	TaskAssigned  TaskState = "assigned"  // has a node, which has not reported
	TaskPreparing TaskState = "preparing" // pulling, creating
	TaskReady     TaskState = "ready"     // created; starts when it is to run
	TaskStarting  TaskState = "starting"  // started, not yet healthy
	TaskRunning   TaskState = "running"   // runs, and healthy if it has a check
	TaskWaiting   TaskState = "waiting"   // ended, will be started again at NextStart
	TaskStopping  TaskState = "stopping"  // drains or was signalled
	TaskComplete  TaskState = "complete"  // ended by itself with code 0, for good
	TaskShutdown  TaskState = "shutdown"  // was stopped
	TaskFailed    TaskState = "failed"    // ended badly, for good
	TaskRejected  TaskState = "rejected"  // the node cannot run it (no such image, no such path)
	TaskLost      TaskState = "lost"      // its node was gone too long; written by the leader's side
)

// Terminal reports whether the state is an end: nothing of the task runs.
func (s TaskState) Terminal() bool {
	switch s {
	case TaskComplete, TaskShutdown, TaskFailed, TaskRejected, TaskLost:
		return true
	}
	return false
}

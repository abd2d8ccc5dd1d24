package api

import (
	"fmt"
	"time"
)

// The views are what the API answers: objects joined with what belongs to them,
// so that a client needs one request per screen. IDs come with names.

// ServiceView is a service with its current spec and its counts.
type ServiceView struct {
	Service
	Spec    ServiceSpec `json:"spec"`
	Rollout *Rollout    `json:"rollout,omitempty"`
	Running int         `json:"running"`
	Desired int         `json:"desired"`
	// Completed counts the tasks of a job that ended well.
	Completed int `json:"completed,omitempty"`
	// Ports are the spec's, with the numbers that the cluster has chosen.
	Ports []Port `json:"ports,omitempty"`
	// Addresses are the service's virtual ones, by the names of its networks.
	Addresses []ServiceAddress `json:"addresses,omitempty"`
	// Warnings say what is wrong, one line each.
	Warnings []string `json:"warnings,omitempty"`
}

// TaskView is a task with its status.
type TaskView struct {
	Task
	// Name is SERVICE.SLOT, or SERVICE.NODE for global services.
	Name        string `json:"name"`
	ServiceName string `json:"serviceName"`
	AppName     string `json:"appName,omitempty"`
	NodeName    string `json:"nodeName,omitempty"`
	Image       string `json:"image"`
	Ports       []Port `json:"ports,omitempty"`
	// Status is never nil: a task without one has its state made up from the task.
	Status *TaskStatus `json:"status"`
}

// NodeView is a node with its status.
type NodeView struct {
	Node
	Status *NodeStatus `json:"status"`
	Leader bool        `json:"leader,omitempty"`
	// Manager is how the manager that answers sees this one; empty for a worker.
	Manager ManagerState `json:"manager,omitempty"`
	Tasks   int          `json:"tasks"` // that should run
	// Reserved is what the tasks on it reserve.
	Reserved ResourceSet `json:"reserved"`
}

// ManagerState says what a manager is worth to the cluster at the moment.
type ManagerState string

// The states of a manager.
const (
	ManagerLeader      ManagerState = "leader"
	ManagerReachable   ManagerState = "reachable"
	ManagerLearner     ManagerState = "learner" // its database is still catching up
	ManagerUnreachable ManagerState = "unreachable"
	ManagerJoining     ManagerState = "joining" // it has not got a database yet
	// ManagerReadOnly votes and can write nothing: its disk is full, or its data damaged.
	ManagerReadOnly ManagerState = "read-only"
	// ManagerSplit was forced to go on alone while this one lives: it is another cluster.
	ManagerSplit ManagerState = "split"
)

// AppView is an app with its spec and its counts.
type AppView struct {
	App
	Spec     AppSpec `json:"spec"`
	Services int     `json:"services"`
	Running  int     `json:"running"`
	Desired  int     `json:"desired"`
}

// ContainerView is a container, for `orc ps`.
type ContainerView struct {
	ID          string    `json:"id"`
	Task        string    `json:"task"`
	Name        string    `json:"name"` // the task's
	ServiceName string    `json:"serviceName"`
	AppName     string    `json:"appName,omitempty"`
	Node        string    `json:"node"`
	NodeName    string    `json:"nodeName"`
	Image       string    `json:"image"`
	Command     string    `json:"command,omitempty"`
	State       TaskState `json:"state"`
	Healthy     *bool     `json:"healthy,omitempty"`
	Attempt     Attempt   `json:"attempt"`
}

// ContainerStats is one sample of a container, for `orc stats`.
type ContainerStats struct {
	Container string    `json:"container"`
	Task      string    `json:"task"`
	Name      string    `json:"name"`
	NodeName  string    `json:"nodeName"`
	Time      time.Time `json:"time"`
	// CPUPercent of one core, since the sample before; Memory in bytes, page
	// cache that can be dropped not counted; MemoryLimit 0 is none.
	CPUPercent  float64 `json:"cpuPercent"`
	Memory      int64   `json:"memory"`
	MemoryLimit int64   `json:"memoryLimit,omitempty"`
	Pids        int64   `json:"pids"`
	NetRx       int64   `json:"netRx"`
	NetTx       int64   `json:"netTx"`
	BlockRead   int64   `json:"blockRead"`
	BlockWrite  int64   `json:"blockWrite"`
}

// LogLine is one line that a container wrote.
type LogLine struct {
	Time   time.Time `json:"time" cbor:"1,keyasint"`
	Stream string    `json:"stream" cbor:"2,keyasint"` // stdout or stderr
	Text   string    `json:"text" cbor:"3,keyasint"`   // without the newline
	// Partial marks a line longer than 16 KiB that goes on in the next one.
	Partial   bool   `json:"partial,omitempty" cbor:"4,keyasint,omitempty"`
	Task      string `json:"task,omitempty" cbor:"5,keyasint,omitempty"`
	Container string `json:"container,omitempty" cbor:"6,keyasint,omitempty"`
	Name      string `json:"name,omitempty" cbor:"7,keyasint,omitempty"` // the task's
	NodeName  string `json:"nodeName,omitempty" cbor:"8,keyasint,omitempty"`
	// Error, when set, is not a line of the container: this source cannot be read.
	Error string `json:"error,omitempty" cbor:"9,keyasint,omitempty"`
}

// TaskName is the name that people see of a task.
func TaskName(service string, task *Task, nodeName string) string {
	if task.Slot > 0 {
		return fmt.Sprintf("%s.%d", service, task.Slot)
	}
	if nodeName == "" {
		nodeName = ShortID(task.Node)
	}
	return service + "." + nodeName
}

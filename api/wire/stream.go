package wire

import (
	"time"

	"github.com/orc-project/orc/api"
)

// Open asks a node for a stream. Exactly one of the requests is set.
type Open struct {
	ID    string        `cbor:"1,keyasint"` // for POST /v1/streams/{id}; unguessable, valid once and for 10 s
	Logs  *LogsRequest  `cbor:"2,keyasint,omitempty"`
	Exec  *ExecRequest  `cbor:"3,keyasint,omitempty"`
	Stats *StatsRequest `cbor:"4,keyasint,omitempty"`
	Load  *LoadRequest  `cbor:"5,keyasint,omitempty"`
	Do    *DoRequest    `cbor:"6,keyasint,omitempty"`
}

// LogsRequest asks for lines of tasks' containers. The node answers with Data
// frames, each a CBOR api.LogLine, in the order of their times per container.
type LogsRequest struct {
	Tasks []string  `cbor:"1,keyasint" json:"tasks"`
	Since time.Time `cbor:"2,keyasint" json:"since"`
	Until time.Time `cbor:"3,keyasint" json:"until"`
	// Tail is how many of the last lines per task to begin with; negative is all.
	Tail   int  `cbor:"4,keyasint" json:"tail"`
	Follow bool `cbor:"5,keyasint" json:"follow"`
	// Container limits the answer to one container; empty is all of the tasks'.
	Container string `cbor:"6,keyasint,omitempty" json:"container,omitempty"`
}

// ExecRequest runs a command. Down go Stdin, StdinEnd and Resize frames, up come
// Stdout, Stderr and at last one Exit or Error.
type ExecRequest struct {
	Task       string   `cbor:"1,keyasint" json:"task"`
	Container  string   `cbor:"2,keyasint,omitempty" json:"container,omitempty"` // empty: the task's current one
	Args       []string `cbor:"3,keyasint" json:"args"`
	Env        []string `cbor:"4,keyasint,omitempty" json:"env,omitempty"`
	Dir        string   `cbor:"5,keyasint,omitempty" json:"dir,omitempty"`
	User       string   `cbor:"6,keyasint,omitempty" json:"user,omitempty"`
	TTY        bool     `cbor:"7,keyasint,omitempty" json:"tty,omitempty"`
	Stdin      bool     `cbor:"8,keyasint,omitempty" json:"stdin,omitempty"`
	Privileged bool     `cbor:"9,keyasint,omitempty" json:"privileged,omitempty"`
	Width      uint16   `cbor:"10,keyasint,omitempty" json:"width,omitempty"`
	Height     uint16   `cbor:"11,keyasint,omitempty" json:"height,omitempty"`
}

// StatsRequest asks for samples of all of the node's running containers, each a
// Data frame with a CBOR []api.ContainerStats: once, or every Interval.
type StatsRequest struct {
	Tasks    []string      `cbor:"1,keyasint,omitempty"` // empty: all
	Interval time.Duration `cbor:"2,keyasint,omitempty"` // 0: one sample
}

// LoadRequest sends an image archive down in Data frames, ended by End; the node
// answers with one Data frame, a CBOR []LoadedImage, or an Error.
type LoadRequest struct {
	Size int64 `cbor:"1,keyasint"` // of the archive in bytes; 0 when not known
}

// LoadedImage is an image that a node has.
type LoadedImage struct {
	Name    string          `cbor:"1,keyasint" json:"name"`
	Digest  string          `cbor:"2,keyasint" json:"digest"`
	Size    int64           `cbor:"3,keyasint" json:"size"`
	Created time.Time       `cbor:"4,keyasint" json:"created"`
	Config  api.ImageConfig `cbor:"5,keyasint" json:"config"`
	// Loaded says that it came by `orc image load`: no registry need have it.
	Loaded bool `cbor:"6,keyasint,omitempty" json:"loaded,omitempty"`
	// InUse says that a container, or a task that is to have one, needs it.
	InUse bool `cbor:"7,keyasint,omitempty" json:"inUse,omitempty"`
}

// DoRequest asks for one thing and one answer: a Data frame with CBOR, or Error.
type DoRequest struct {
	// Images asks for []LoadedImage.
	Images bool `cbor:"1,keyasint,omitempty"`
	// Kill removes a container at once, as `orc rm -f` does: the task's restart
	// policy decides what follows. Without Force a running one is refused. The
	// answer is empty.
	Kill  string `cbor:"2,keyasint,omitempty"`
	Force bool   `cbor:"3,keyasint,omitempty"`
	// Volumes asks for []Volume, Usage for a DiskUsage, Prune for a Pruned.
	Volumes bool          `cbor:"4,keyasint,omitempty"`
	Usage   bool          `cbor:"5,keyasint,omitempty"`
	Prune   *PruneRequest `cbor:"6,keyasint,omitempty"`
	// Examine asks for an Examination.
	Examine bool `cbor:"7,keyasint,omitempty"`
}

// Examination is what a node found out about itself.
type Examination struct {
	Time     time.Time     `cbor:"1,keyasint"` // by the node's clock
	Findings []api.Finding `cbor:"2,keyasint"`
}

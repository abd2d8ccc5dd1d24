// Package runtime is the contract of what runs containers on one node, in nouns
// of its own. It never talks to the database or to a manager, and it decides
// nothing: what should run, and when again, is the agent's business.
//
// runtime/containerd is the real thing and runtime/fake a scriptable twin;
// runtime/runtimetest is the suite that both must pass.
package runtime

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/orc-project/orc/api"
)

// The errors of a runtime, to be told with errors.Is. Their wrapping text is for
// the user: it names the image, path or command.
var (
	ErrNotFound     = errors.New("no such container")
	ErrNotRunning   = errors.New("the container is not running")
	ErrExists       = errors.New("the container exists already")
	ErrImageMissing = errors.New("no such image")              // neither here nor in a registry
	ErrUnauthorized = errors.New("the registry wants a login") //
	ErrRejected     = errors.New("cannot run")                 // bad command, path or user: trying again is useless
	ErrInvalidImage = errors.New("not an image archive")
	ErrFull         = errors.New("no space left on the device")
)

// Runtime runs containers. Methods may be called at once; calls about one
// container are serialised inside. A container outlives the process that made it
// and is found again by List.
type Runtime interface {
	// Version tells the versions of what runs containers, by part ("containerd",
	// "runc"), for `orc version`.
	Version(ctx context.Context) (map[string]string, error)

	// Pull makes the image's content present and unpacked, and returns what it is.
	// Content that is there already, pinned by digest, costs no network round trip.
	// progress, which may be nil, is told of bytes done and of all, as they change.
	Pull(ctx context.Context, image ImageRef, progress func(done, total int64)) (Image, error)

	// Create makes all of a container that takes long: snapshot, volumes, files,
	// namespaces; nothing of the image runs yet. On error nothing of it stays behind.
	Create(ctx context.Context, spec Spec) error

	// Start runs a created container's process. Its output goes to Output. A command
	// that cannot be run is ErrRejected by now, if it was not by Create.
	Start(ctx context.Context, id string) error

	// Signal sends a signal ("SIGTERM", "TERM", "15") to the main process.
	Signal(ctx context.Context, id, signal string) error

	// Remove kills what runs and removes the container with its snapshot, files
	// and anonymous volumes. A missing container is no error. Named volumes stay.
	Remove(ctx context.Context, id string) error

	// List returns every container of orc's, running or not, in the order of IDs.
	List(ctx context.Context) ([]Container, error)

	// Inspect returns one container.
	Inspect(ctx context.Context, id string) (Container, error)

	// Events delivers ends and OOM kills from now on; the channel is closed when
	// ctx ends or the runtime went away (then List again and subscribe again).
	Events(ctx context.Context) (<-chan Event, error)

	// Exec runs a process in a running container until it ends, and returns its
	// exit code. Cancelling ctx kills it.
	Exec(ctx context.Context, id string, exec Exec) (int, error)

	// Stats samples a running container. CPU is a total since the start.
	Stats(ctx context.Context, id string) (Stats, error)
}

// Images is what a runtime offers on images beyond pulling.
type Images interface {
	// LoadImage imports a docker or OCI archive (tar, optionally compressed) and
	// returns what was in it. A broken archive leaves nothing behind.
	LoadImage(ctx context.Context, archive io.Reader) ([]Image, error)
	// ListImages returns the images present.
	ListImages(ctx context.Context) ([]Image, error)
	// RemoveImage removes a name; content no name uses is collected.
	RemoveImage(ctx context.Context, name string) error
}

// Volumes is what a runtime offers on named local volumes.
type Volumes interface {
	// ListVolumes returns the volumes in the order of their names.
	ListVolumes(ctx context.Context) ([]Volume, error)
	// VolumeSize measures a volume's data, in bytes on disk. It reads every
	// directory of it and takes as long as that does. What a volume's options mount
	// is elsewhere and not counted.
	VolumeSize(ctx context.Context, name string) (int64, error)
	// RemoveVolume deletes the data; a volume in use is an error.
	RemoveVolume(ctx context.Context, name string) error
}

// Layers is what a runtime offers on the disk that containers take.
type Layers interface {
	// ContainerSize measures what a container wrote to its own layer, in bytes. A
	// missing container is ErrNotFound.
	ContainerSize(ctx context.Context, id string) (int64, error)
}

// ImageRef asks for an image.
type ImageRef struct {
	Name   string // as the user gave it; normalised inside
	Digest string // pins the content when not empty
	Auth   string // docker-style auth, or empty
}

// Image is an image that is present.
type Image struct {
	Name    string // normalised: docker.io/library/web:1.0
	Digest  string
	Size    int64 // bytes of content
	Created time.Time
	Config  ImageConfig
	// Loaded says that it came by LoadImage: no registry need have it.
	Loaded bool
}

// ImageConfig is what an image says about its containers.
type ImageConfig struct {
	Platform     api.Platform
	Entrypoint   []string
	Cmd          []string
	Env          []string
	Dir          string
	User         string
	StopSignal   string
	ExposedPorts []string
	Volumes      []string
	Labels       map[string]string
	Health       *api.HealthCheck
}

// Spec is a container to create. The runtime merges the image's configuration
// with Container as Docker does.
type Spec struct {
	ID string // chosen by the caller, never used twice
	// Task labels the container; List gives them back.
	Task      TaskRef
	Image     ImageRef
	Container api.ContainerSpec
	Resources api.Resources
	Network   Network
	// Files appear in the container on a tmpfs: secrets and configs.
	Files []File
	// Output is where stdout and stderr go.
	Output Output
}

// TaskRef says what a container belongs to.
type TaskRef struct {
	Task     string
	Service  string // ID
	Name     string // the task's name, for people
	Revision int
	Attempt  int
}

// Network says in which network namespace a container is.
type Network struct {
	// Mode is "host", "none" or "namespace".
	Mode string
	// Namespace is the path of a network namespace that the caller made; it stays
	// the caller's.
	Namespace string
	Hostname  string
	// Hosts and Resolv are the contents of /etc/hosts and /etc/resolv.conf; nil
	// means the node's own for host networking and minimal ones otherwise.
	Hosts  []byte
	Resolv []byte
}

// File is content for a container.
type File struct {
	Target string
	Data   []byte
	UID    int
	GID    int
	Mode   uint32
}

// Output says where a container's output goes: two FIFOs that the reader may
// open, close and open again without the container noticing. With a TTY only
// Stdout is used. Stdin is "" for none.
type Output struct {
	Stdin, Stdout, Stderr string
}

// Container is one that exists.
type Container struct {
	ID       string
	Task     TaskRef
	Image    ImageRef
	Created  time.Time
	State    State
	Pid      int
	Started  time.Time
	Finished time.Time
	ExitCode int // 128+signal for a signal
	OOM      bool
	TTY      bool
	// Health is the check in force, the image's merged with the spec's; nil for none.
	Health *api.HealthCheck
	// StopSignal is the one in force.
	StopSignal string
	Output     Output
}

// State is what a container does.
type State string

// The states of a container.
const (
	Created State = "created"
	Running State = "running"
	Exited  State = "exited"
)

// Event is an end, or an OOM kill.
type Event struct {
	ID       string
	Time     time.Time
	Exited   bool
	ExitCode int
	OOM      bool
}

// Exec is a process to run in a container.
type Exec struct {
	Args []string
	Env  []string
	Dir  string
	User string
	TTY  bool
	// Privileged gives all capabilities.
	Privileged bool
	Stdin      io.Reader // nil for none
	Stdout     io.Writer
	Stderr     io.Writer // unused with TTY
	// Resize delivers terminal sizes; may be nil. One that waits in it at the call is
	// the terminal's size from the start.
	Resize <-chan Size
}

// Size of a terminal, in characters.
type Size struct{ Width, Height uint16 }

// Stats is one sample.
type Stats struct {
	Time                  time.Time
	CPU                   time.Duration // used in all
	Memory, MemoryLimit   int64         // bytes
	Pids                  int64
	BlockRead, BlockWrite int64
}

// Volume is a named volume that is present.
type Volume struct {
	Name    string
	Created time.Time
	InUse   bool
}

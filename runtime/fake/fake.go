// Package fake is a runtime in memory, for simulated agents and for tests: its
// containers are Go functions, or nothing at all until the script ends them. It
// never starts a process and never waits on anything but the clock and its
// callers, so that it works inside a testing/synctest bubble; it touches the disk
// only to make the FIFOs that a Spec.Output names.
package fake

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/sleep"
)

// Runtime implements runtime.Runtime, runtime.Images, runtime.Volumes and
// runtime.Layers. Any image can be pulled unless the script says otherwise. Make it
// with New.
type Runtime struct {
	mu         sync.Mutex
	containers map[string]*container
	images     map[string]runtime.Image // present, by normalised name
	scripts    map[string]*Script       // by normalised name
	volumes    map[string]runtime.Volume
	watchers   map[*watcher]struct{}
	calls      map[string]int
	down       error
}

// ErrDown is an error for Down.
var ErrDown = errors.New("the runtime is down")

var (
	_ runtime.Runtime = (*Runtime)(nil)
	_ runtime.Images  = (*Runtime)(nil)
	_ runtime.Volumes = (*Runtime)(nil)
	_ runtime.Layers  = (*Runtime)(nil)
)

// Script is what an image and its containers do. The zero value pulls at once
// and runs until it is signalled or until Exit.
type Script struct {
	// Image is what Pull returns; Name, Digest and Size are filled in when empty.
	Image runtime.Image
	// The errors that calls return, nil for none.
	PullError, CreateError, StartError error
	// How long the calls take.
	PullDelay, CreateDelay, StartDelay time.Duration
	// IgnoreTerm makes containers deaf to all signals but SIGKILL.
	IgnoreTerm bool
	// Lifetime, when not zero, ends a container by itself with ExitCode. A
	// container with a Program from Commands has no use for it.
	Lifetime time.Duration
	ExitCode int
	// Commands are the programs in the image by the first word of the command
	// line. Without any, every command exists and does nothing.
	Commands map[string]Program
	// Exec answers Exec when there are no Commands; nil is success with no output.
	Exec func(ctx context.Context, id string, exec runtime.Exec) (int, error)
	// Stats is what Stats returns, its Time apart.
	Stats runtime.Stats
}

// New returns a runtime that has no image and no container.
func New() *Runtime {
	return &Runtime{
		containers: map[string]*container{},
		images:     map[string]runtime.Image{},
		scripts:    map[string]*Script{},
		volumes:    map[string]runtime.Volume{},
		watchers:   map[*watcher]struct{}{},
		calls:      map[string]int{},
	}
}

// Script says what the image of this name does from now on.
func (r *Runtime) Script(image string, script Script) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scripts[mustNormalise(image)] = &script
}

// FailPull makes pulling the image fail with err; nil mends it.
func (r *Runtime) FailPull(image string, err error) {
	r.change(image, func(s *Script) { s.PullError = err })
}

// FailCreate makes creating containers of the image fail with err; nil mends it.
func (r *Runtime) FailCreate(image string, err error) {
	r.change(image, func(s *Script) { s.CreateError = err })
}

// FailStart makes starting containers of the image fail with err; nil mends it.
func (r *Runtime) FailStart(image string, err error) {
	r.change(image, func(s *Script) { s.StartError = err })
}

// Down makes every call fail with err and ends the subscriptions, as a daemon
// that went away does; containers run on. Down(nil) brings it back.
func (r *Runtime) Down(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down = err; err == nil {
		return
	}
	for w := range r.watchers {
		w.end()
		delete(r.watchers, w)
	}
}

// Reboot ends every running container, and the process of each that waits to be
// started, without an event and with exit code -1, as a restart of the host does.
func (r *Runtime) Reboot() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.containers {
		if c.State != runtime.Exited {
			c.finish(-1, false)
		}
	}
}

// Calls tells how often a method was called, by its name.
func (r *Runtime) Calls(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[method]
}

// Version implements runtime.Runtime.
func (r *Runtime) Version(ctx context.Context) (map[string]string, error) {
	if err := r.enter(ctx, "Version"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	return map[string]string{"fake": "1"}, nil
}

func (r *Runtime) change(image string, change func(*Script)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	script := *r.script(image)
	change(&script)
	r.scripts[mustNormalise(image)] = &script
}

// script finds what an image does. The lock is held.
func (r *Runtime) script(image string) *Script {
	if name, err := runtime.NormalName(image); err == nil && r.scripts[name] != nil {
		return r.scripts[name]
	}
	return &Script{}
}

// enter counts a call and takes the lock, unless the runtime is down.
func (r *Runtime) enter(ctx context.Context, method string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	r.calls[method]++
	if r.down != nil {
		defer r.mu.Unlock()
		return r.down
	}
	return nil
}

// pause waits, with the lock given up.
func (r *Runtime) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	r.mu.Unlock()
	defer r.mu.Lock()
	return sleep.For(ctx, d)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Package agent is one node's loop: it takes assignments, makes containers of
// them, keeps them as they should be, and tells what it observes.
//
// It never asks a manager whether to go on: restarts, health checks and what was
// assigned last work without one. It knows the runtime by its contract only, and
// the database not at all. The connection to a manager is agent/session's.
package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	goruntime "runtime"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/housekeeping"
	"github.com/orc-project/orc/agent/logs"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/sleep"
)

// Config is what an Agent is made of.
type Config struct {
	// Dir is the agent's own directory: assignments, statuses, logs, FIFOs.
	Dir     string
	Runtime runtime.Runtime
	// Networks attaches containers; nil means host networking for all that do not
	// ask for none.
	Networks Networks
	// Parallel bounds how many containers are created and started at once; 0 means
	// a number that suits the cores.
	Parallel int
	// DiskFull is how full the disk may be, in per cent, until images that no task
	// needs are removed; 0 means never.
	DiskFull int
	// DiscardOutput leaves containers' output uncaptured: for simulated agents.
	DiscardOutput bool
}

// Networks gives tasks their place in the network.
type Networks interface {
	// Apply takes in what a message says of the networks. When it returns, the node
	// sends no new connection to what was withdrawn. It reports whether Attach, where
	// it failed with api.CodeUnavailable, may succeed now.
	Apply(down wire.Down) (room bool)
	// Attach makes what the task's container runs in, and returns its addresses by
	// network ID. It is idempotent; an error that wraps api.CodeUnavailable is tried
	// again.
	Attach(ctx context.Context, assignment wire.Assignment, spec *api.ServiceSpec) (runtime.Network, map[string]netip.Addr, error)
	// Withdraw returns when no node sends a leaving task new connections any more, or
	// when waiting longer is no use. The only error is ctx's.
	Withdraw(ctx context.Context, assignment wire.Assignment) error
	// Detach undoes Attach. A task that was never attached is no error.
	Detach(ctx context.Context, task string) error
	// Examine looks at the node's network, for people.
	Examine(ctx context.Context) []api.Finding
}

// Agent runs a node's tasks. Make it with New, then Run it; the other methods may
// be called at any time.
type Agent struct {
	config Config
	log    *zap.Logger
	logs   *logs.Store
	keeper *housekeeping.Keeper
	slots  chan struct{}
	outbox outbox
	taking sync.Mutex // Apply's

	mu       sync.Mutex
	tasks    map[string]*task
	set      assignments
	complete bool // a manager has told all that there is
	link     link
	running  context.Context // Run's; nil before
	workers  sync.WaitGroup
	byID     map[string]*task // by container
	adopted  chan struct{}    // closed when what runs has been found again
	leaving  map[*task]bool   // must end before anything new starts
	released chan struct{}    // closed when leaving is empty
}

// New makes an Agent and loads what was assigned to it last.
func New(config Config, log *zap.Logger) (*Agent, error) {
	if config.Parallel == 0 {
		config.Parallel = max(4, 2*goruntime.NumCPU())
	}
	for _, dir := range []string{"tasks", "fifo", "logs"} {
		if err := os.MkdirAll(filepath.Join(config.Dir, dir), 0o700); err != nil {
			return nil, fmt.Errorf("agent directory: %w", err)
		}
	}
	a := &Agent{
		config:   config,
		log:      log,
		logs:     logs.New(filepath.Join(config.Dir, "logs"), log.Named("logs")),
		slots:    make(chan struct{}, config.Parallel),
		tasks:    make(map[string]*task),
		byID:     make(map[string]*task),
		adopted:  make(chan struct{}),
		leaving:  make(map[*task]bool),
		released: make(chan struct{}),
	}
	a.keeper = housekeeping.New(housekeeping.Config{
		Dir: config.Dir, Runtime: config.Runtime, Logs: a.logs, Needs: a.needs, Full: config.DiskFull,
	}, log.Named("housekeeping"))
	a.outbox.init()
	close(a.released)
	if err := a.set.load(a.assignmentsFile()); err != nil {
		log.Error("the last assignments cannot be read: waiting for a manager", zap.Error(err))
	}
	return a, nil
}

func (a *Agent) assignmentsFile() string { return filepath.Join(a.config.Dir, "assignments") }

// Run keeps the node's tasks as assigned until ctx ends. Containers go on
// afterwards.
func (a *Agent) Run(ctx context.Context) error {
	defer a.logs.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer a.finish(cancel)
	a.workers.Go(func() { _ = a.keeper.Run(ctx) }) // ends with ctx, without an error
	events := a.begin(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, open := <-events:
			if open {
				a.wakeContainer(event)
				continue
			}
			events = a.subscribe(ctx)
			a.wakeAll()
		}
	}
}

// finish ends the workers and waits for them. No other starts from then on.
func (a *Agent) finish(cancel context.CancelFunc) {
	a.mu.Lock()
	cancel()
	a.mu.Unlock()
	a.workers.Wait()
}

// begin finds again what runs, and starts the workers.
func (a *Agent) begin(ctx context.Context) <-chan runtime.Event {
	events := a.subscribe(ctx)
	containers, err := patiently(ctx, a.log, a.config.Runtime.List)
	if err != nil {
		return nil // ctx ended
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running, a.link.since = ctx, time.Now()
	for id := range a.set.Tasks {
		a.add(id)
	}
	a.adopt(containers)
	a.findLeftovers(containers)
	close(a.adopted)
	for id, t := range a.tasks {
		if _, assigned := a.set.Tasks[id]; a.complete && !assigned {
			t.assign(goalGone, nil, true)
		}
		a.start(t)
	}
	a.log.Info("agent runs", zap.Int("tasks", len(a.tasks)), zap.Int("containers", len(containers)))
	return events
}

// retryPause is how long a runtime that is away is given before the next try.
const retryPause = 200 * time.Millisecond

// subscribe asks for the runtime's events until it gets them. When ctx ends it
// returns a channel that never delivers.
func (a *Agent) subscribe(ctx context.Context) <-chan runtime.Event {
	events, err := patiently(ctx, a.log, a.config.Runtime.Events)
	if err != nil {
		return nil
	}
	return events
}

// patiently asks the runtime until it answers. The only error is ctx's.
func patiently[T any](ctx context.Context, log *zap.Logger, ask func(context.Context) (T, error)) (T, error) {
	for told := false; ; told = true {
		answer, err := ask(ctx)
		if err == nil {
			return answer, nil
		}
		if !told {
			log.Warn("the runtime does not answer", zap.Error(err))
		}
		if err := sleep.For(ctx, retryPause); err != nil {
			return answer, err
		}
	}
}

// Apply takes a manager's message in: first to disk, then to the tasks. One message is
// taken in at a time.
func (a *Agent) Apply(down wire.Down) error {
	a.taking.Lock()
	defer a.taking.Unlock()
	if a.config.Networks != nil && down.Error == nil && a.config.Networks.Apply(down) {
		a.wakeUnplaced()
	}
	if !down.Full && len(down.Tasks) == 0 && len(down.Removed) == 0 && len(down.Specs) == 0 && len(down.Files) == 0 {
		return nil
	}
	// Nothing else changes the set, so that others need not wait for the disk with mu.
	next := a.set.apply(down)
	if err := next.save(a.assignmentsFile()); err != nil {
		// What was assigned is acted on all the same: it is only not known after a
		// restart without a manager.
		a.log.Error("assignments cannot be written to disk", zap.Error(err))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set = next
	a.complete = a.complete || down.Full
	if down.Full {
		a.reached()
	}
	if a.running == nil {
		return nil // begin takes it from the set
	}
	for id, t := range a.tasks {
		if _, assigned := a.set.Tasks[id]; !assigned && (a.complete || t.known()) {
			a.turn(t, nil, down)
		}
	}
	for id := range a.set.Tasks {
		if t := a.tasks[id]; t != nil {
			a.turn(t, a.set.assigned(id), down)
			continue
		}
		a.start(a.add(id))
	}
	return nil
}

// turn gives a task its goal after a message. What should not run any more by a
// complete one was replaced while this node was cut off: nothing new starts before
// it has ended. The caller holds mu.
func (a *Agent) turn(t *task, want *assigned, down wire.Down) {
	goal := a.set.goal(t.id)
	superseded := t.assign(goal, want, len(down.Files) > 0)
	if goal == goalRun {
		a.release(t) // assigned again: it must not wait for itself
	}
	if !down.Full || !superseded {
		return
	}
	a.leaving[t] = true
	if isClosed(a.released) {
		a.released = make(chan struct{})
	}
}

// left tells that a task has ended, or that it cannot be waited for.
func (a *Agent) left(t *task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.release(t)
}

// release is left for a caller that holds mu.
func (a *Agent) release(t *task) {
	if !a.leaving[t] {
		return
	}
	delete(a.leaving, t)
	if len(a.leaving) == 0 && !isClosed(a.released) {
		close(a.released)
	}
}

func (a *Agent) mayStart() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.released
}

// add makes the worker's state of an assigned task. The caller holds mu.
func (a *Agent) add(id string) *task {
	t := newTask(a, id)
	t.load()
	t.assign(a.set.goal(id), a.set.assigned(id), true)
	a.tasks[id] = t
	return t
}

// start starts a task's worker, unless Run ends. The caller holds mu.
func (a *Agent) start(t *task) {
	if ctx := a.running; ctx.Err() == nil {
		a.workers.Go(func() { t.run(ctx) })
	}
}

// forget drops a task whose worker is done.
func (a *Agent) forget(t *task) {
	a.left(t)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tasks[t.id] != t {
		return
	}
	delete(a.tasks, t.id)
	if _, assigned := a.set.Tasks[t.id]; assigned {
		a.start(a.add(t.id)) // assigned again while it was being forgotten
	}
}

func (a *Agent) wakeContainer(event runtime.Event) {
	a.mu.Lock()
	t := a.byID[event.ID]
	a.mu.Unlock()
	if t != nil {
		t.wake()
	}
}

func (a *Agent) wakeAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.tasks {
		t.wake()
	}
}

// wakeUnplaced wakes the tasks that wait for a place in the network.
func (a *Agent) wakeUnplaced() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.tasks {
		t.mu.Lock()
		if t.unplaced {
			t.wake()
		}
		t.mu.Unlock()
	}
}

func (a *Agent) register(container string, t *task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t == nil {
		delete(a.byID, container)
		return
	}
	a.byID[container] = t
}

// find returns a task by its ID, or by that of one of its containers.
func (a *Agent) find(id, container string) (*task, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.byID[container]; t != nil && (id == "" || t.id == id) {
		return t, nil
	}
	if t := a.tasks[id]; t != nil && container == "" {
		return t, nil
	}
	return nil, api.NotFoundf("no such container on this node any more")
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/disk"
	"github.com/orc-project/orc/agent/logs"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

// task is one task's worker: it takes one step after the other, each from the
// table, and sleeps when there is nothing to do.
//
// What mu guards may be read by others; only the worker changes it, but for goal
// and want.
type task struct {
	agent  *Agent
	id     string
	log    *zap.Logger
	wakeup chan struct{}

	mu     sync.Mutex
	goal   goal
	want   *assigned // nil when it is not known what it was
	record record
	// container is the newest one, as last seen; nil for none.
	container *runtime.Container
	health    *health
	opening   *opening // nil when there is nothing to do after the start
	// blame says why the container is being ended by the agent itself.
	blame string
	// giveUp ends a pull that is not wanted any more; nil without one.
	giveUp context.CancelFunc
	// unplaced says that the task has no place in the network, and wants one.
	unplaced bool

	extra   []string // older containers, to be removed
	capture *logs.Capture
	failure time.Duration // the pause after the last error
	// detached says that the network knows nothing of the task.
	detached bool
}

// record is what is kept of a task on disk.
type record struct {
	Status api.TaskStatus `cbor:"1,keyasint"`
	Starts []time.Time    `cbor:"2,keyasint"` // restarts
	// Crashes are the ends in a row that came soon after their start.
	Crashes int `cbor:"3,keyasint"`
	// Opened is the container whose post_start hooks have all ended well.
	Opened string `cbor:"4,keyasint,omitempty"`
}

func newTask(a *Agent, id string) *task {
	t := &task{agent: a, id: id, log: a.log.With(zap.String("task", id)), wakeup: make(chan struct{}, 1)}
	t.record.Status.ID = id
	return t
}

func (t *task) file() string { return filepath.Join(t.agent.config.Dir, "tasks", t.id) }

// load takes up what an earlier process kept.
func (t *task) load() {
	data, err := os.ReadFile(t.file())
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err == nil {
		err = wire.Unmarshal(data, &t.record)
	}
	if err != nil {
		t.log.Warn("the task's history cannot be read", zap.Error(err))
		t.record = record{}
	}
	t.record.Status.ID = t.id
}

// assign sets what should become of the task, and wakes the worker if that is
// news. It reports whether a container runs that should not any more.
func (t *task) assign(g goal, want *assigned, news bool) (superseded bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.goal.makes() && !g.makes() {
		superseded = t.goal == goalRun && t.container != nil && t.container.State != runtime.Exited // one that starts is still seen as created
		if t.giveUp != nil {
			t.giveUp()
		}
	}
	if news || t.goal != g || want != nil && !want.same(t.want) {
		t.wake()
	}
	t.goal = g
	if want != nil {
		t.want = want
		t.record.Status.Node = want.Task.Node
	}
	return superseded
}

// known says that a manager assigned the task, once.
func (t *task) known() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.want != nil
}

// adopt takes a container that was found as the task's. One that was never started
// is made anew: who made it may have died half-way. The caller holds the agent's mu.
func (t *task) adopt(c runtime.Container) {
	if c.State == runtime.Created || t.neverRan(&c) || t.container != nil && t.container.Task.Attempt >= c.Task.Attempt {
		t.extra = append(t.extra, c.ID)
		return
	}
	if t.container != nil {
		t.extra = append(t.extra, t.container.ID)
		delete(t.agent.byID, t.container.ID)
	}
	t.container = &c
	t.agent.byID[c.ID] = t
}

// neverRan says whether a container's process ended while it waited to be started, as
// with its host's restart: that is no attempt.
func (t *task) neverRan(c *runtime.Container) bool {
	return c.State == runtime.Exited && c.Started.IsZero() &&
		!slices.ContainsFunc(t.record.Status.Attempts, func(a api.Attempt) bool { return a.Container == c.ID })
}

func (t *task) wake() {
	select {
	case t.wakeup <- struct{}{}:
	default:
	}
}

func (t *task) snapshot() api.TaskStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.record.Status
}

// idle is a pause without an end: until the worker is woken.
const idle time.Duration = -1

// run is the worker.
func (t *task) run(ctx context.Context) {
	defer t.leaveAlone()
	for ctx.Err() == nil {
		wait, done := t.step(ctx)
		if done {
			t.agent.forget(t)
			return
		}
		if wait != 0 {
			t.sleep(ctx, wait)
		}
	}
}

// sleep waits until the worker is woken, or until a time has passed.
func (t *task) sleep(ctx context.Context, wait time.Duration) {
	var expired <-chan time.Time
	if wait != idle {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-ctx.Done():
	case <-t.wakeup:
	case <-expired:
	}
}

// step observes, looks up what is next and does it. It returns how long to sleep.
func (t *task) step(ctx context.Context) (wait time.Duration, done bool) {
	err := t.observe(ctx)
	if err == nil {
		g, again := t.aim()
		wait, done, err = t.do(ctx, g)
		wait = sooner(wait, again)
	}
	if err == nil || ctx.Err() != nil {
		t.failure = 0
		return wait, done
	}
	t.failure = min(max(2*t.failure, retryPause), maxFailurePause)
	t.log.Warn("the task cannot go on: trying again", zap.Error(err), zap.Duration("in", t.failure))
	t.note(func(s *api.TaskStatus) { s.Message = err.Error() })
	return t.failure, false
}

// maxFailurePause is the longest pause between tries of a step that fails.
const maxFailurePause = 5 * time.Second

// sooner is the shorter of two pauses.
func sooner(a, b time.Duration) time.Duration {
	switch {
	case a == idle:
		return b
	case b == idle:
		return a
	}
	return min(a, b)
}

// do does what is next on the way to a goal.
func (t *task) do(ctx context.Context, g goal) (wait time.Duration, done bool, err error) {
	t.mu.Lock()
	over, f := t.record.Status.State.Terminal(), t.found()
	understood := t.want != nil && t.want.spec != nil
	wasted := t.container != nil && t.neverRan(t.container)
	t.mu.Unlock()
	if g == goalRun || f != running {
		t.agent.left(t) // nobody waits for what remains to be done
	}
	chosen := next(g, over, f)
	if chosen == conclude && wasted {
		chosen = clean
	}
	if g.makes() && !understood && chosen != watch {
		return idle, false, nil // until a manager tells how it should run
	}
	switch chosen {
	case prepare:
		wait, err = t.prepare(ctx)
	case await:
		t.note(func(s *api.TaskStatus) { s.State, s.Message = api.TaskReady, "" })
		wait = idle
	case start:
		wait, err = t.startCreated(ctx)
	case watch:
		wait, err = t.watch(ctx)
	case conclude:
		err = t.conclude(ctx)
	case stop:
		err = t.stop(ctx)
	case clean:
		err = t.clean(ctx)
	case finish:
		t.note(func(s *api.TaskStatus) { s.State, s.Message = api.TaskShutdown, t.want.Task.Reason })
	case forget:
		return 0, true, t.erase(ctx)
	default:
		if g == goalHold && !over {
			t.heldBack()
		}
		wait, err = idle, t.detach(ctx)
	}
	return wait, false, err
}

func (t *task) found() found {
	switch {
	case t.container == nil:
		return none
	case t.container.State == runtime.Running:
		return running
	case t.container.State == runtime.Created:
		return created
	}
	return exited
}

// observe looks at the container, and removes older ones.
func (t *task) observe(ctx context.Context) error {
	for len(t.extra) > 0 {
		if err := t.agent.config.Runtime.Remove(ctx, t.extra[0]); err != nil {
			return err
		}
		t.extra = t.extra[1:]
	}
	if t.container == nil {
		return t.missed()
	}
	seen, err := t.agent.config.Runtime.Inspect(ctx, t.container.ID)
	switch {
	case errors.Is(err, runtime.ErrNotFound):
		id := t.container.ID
		t.mu.Lock()
		t.container = nil
		t.mu.Unlock()
		t.dropContainer(id)
		return t.missed()
	case err != nil:
		return err
	}
	t.mu.Lock()
	t.container = &seen
	t.mu.Unlock()
	return nil
}

// missed ends an attempt whose container is not there any more.
func (t *task) missed() error {
	t.mu.Lock()
	attempts := t.record.Status.Attempts
	open := len(attempts) > 0 && attempts[len(attempts)-1].Finished.IsZero()
	why := t.blame
	t.mu.Unlock()
	if !open {
		return nil
	}
	if why == "" {
		why = "its container disappeared"
	}
	code := -1
	if why == removedByUser {
		code = 128 + 9 // that is how it was ended
	}
	t.end(runtime.Container{ExitCode: code, Finished: time.Now()}, why)
	return nil
}

// note changes the status; if that made a difference it is kept and told.
func (t *task) note(edit func(*api.TaskStatus)) {
	t.mu.Lock()
	before := t.record.Status
	edit(&t.record.Status)
	after := &t.record.Status
	after.Message = oneLine(after.Message)
	if before.State != after.State {
		after.Since = time.Now()
	}
	changed := !api.EqualSpec(before, *after)
	status := *after
	assigned := t.goal != goalGone && t.want != nil
	t.mu.Unlock()
	if !changed {
		return
	}
	if before.State != status.State {
		t.log.Info("task", zap.String("from", string(before.State)), zap.String("to", string(status.State)), zap.String("message", status.Message))
	}
	t.save()
	if assigned {
		t.agent.outbox.put(status)
	}
}

// maxText is how much of an error's text a status has, in bytes. Images and
// containers have a say in it.
const maxText = 1 << 10

// oneLine makes valid, printable text of one line of it, cut to maxText.
func oneLine(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxText)], "\uFFFD")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func (t *task) save() {
	t.mu.Lock()
	data, err := wire.Marshal(t.record)
	t.mu.Unlock()
	if err == nil {
		err = disk.Write(t.file(), data, false)
	}
	if err != nil {
		t.log.Warn("the task's history cannot be kept", zap.Error(err))
	}
}

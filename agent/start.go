package agent

import (
	"context"
	"errors"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/logs"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

// prepare gets the image and makes a container, once it is time to.
func (t *task) prepare(ctx context.Context) (time.Duration, error) {
	t.mu.Lock()
	want, status, crashes := t.want, t.record.Status, t.record.Crashes
	t.mu.Unlock()
	if left := time.Until(status.NextStart); left > 0 {
		if most := backOff(want.spec.Restart, crashes); left > most { // the clock was put back since
			t.note(func(s *api.TaskStatus) { s.NextStart = time.Now().Add(most) })
			return most, nil
		}
		return left, nil
	}
	t.note(func(s *api.TaskStatus) {
		if t.failure == 0 { // else the message says what is being tried again
			s.Message = ""
		}
		s.State, s.NextStart = api.TaskPreparing, time.Time{}
	})
	if t.heldUp(ctx) {
		return 0, nil
	}
	spec, err := t.ready(ctx, want, status)
	if err == nil {
		err = t.create(ctx, spec)
	}
	return 0, t.refuse(ctx, err)
}

// errUnwanted ends a preparation that a new goal overtook.
var errUnwanted = errors.New("not wanted any more")

// ready makes present what a container needs, until it is not wanted any more.
func (t *task) ready(ctx context.Context, want *assigned, status api.TaskStatus) (runtime.Spec, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.mu.Lock()
	if !t.goal.makes() {
		t.mu.Unlock()
		return runtime.Spec{}, errUnwanted
	}
	t.giveUp = func() { cancel(errUnwanted) }
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.giveUp = nil
		t.mu.Unlock()
	}()
	spec, err := t.spec(ctx, want, status)
	if err == nil {
		_, err = t.agent.config.Runtime.Pull(ctx, spec.Image, t.tellPull(spec.Image.Name))
	}
	if err != nil && errors.Is(context.Cause(ctx), errUnwanted) {
		return spec, errUnwanted
	}
	return spec, err
}

// heldUp sleeps while the node has something to end before anything new starts, and
// says whether it had.
func (t *task) heldUp(ctx context.Context) bool {
	may := t.agent.mayStart()
	if isClosed(may) {
		return false
	}
	t.note(func(s *api.TaskStatus) { s.Message = "waits until replaced tasks have ended" })
	select {
	case <-ctx.Done():
	case <-may:
	case <-t.wakeup:
	}
	return true
}

// refuse tells errors that trying again does not mend from those of the moment,
// which it returns.
func (t *task) refuse(ctx context.Context, err error) error {
	var invalid *api.Error
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, errUnwanted):
		return nil // the next step sees the new goal
	case errors.Is(err, runtime.ErrRejected), errors.Is(err, runtime.ErrImageMissing), errors.Is(err, runtime.ErrUnauthorized),
		errors.As(err, &invalid) && invalid.Code == api.CodeInvalid:
		t.note(func(s *api.TaskStatus) { s.State, s.Message = api.TaskRejected, err.Error() })
		return nil
	}
	return err
}

// tellPull shows how far a pull is, every few seconds.
func (t *task) tellPull(image string) func(done, total int64) {
	var last time.Time
	return func(done, total int64) {
		if now := time.Now(); total > 0 && now.Sub(last) > 5*time.Second {
			last = now
			percent := strconv.FormatInt(100*done/total, 10)
			t.note(func(s *api.TaskStatus) { s.Message = "pulling " + image + ": " + percent + "%" })
		}
	}
}

// spec is the runtime's, with templates, network and files filled in.
func (t *task) spec(ctx context.Context, want *assigned, status api.TaskStatus) (runtime.Spec, error) {
	data := api.NewTemplateData(&want.Task, want.ServiceName, want.spec, want.NodeName, api.Platform{OS: goruntime.GOOS, Arch: goruntime.GOARCH})
	container, err := resolve(data, want.spec.Container)
	if err != nil {
		return runtime.Spec{}, api.Invalidf("%w", err)
	}
	files, err := containerFiles(container, want.files, data)
	if err != nil {
		return runtime.Spec{}, err
	}
	filled := *want.spec
	filled.Container = container
	network, err := t.attach(ctx, want.Assignment, &filled)
	if err != nil {
		return runtime.Spec{}, err
	}
	if network.Hostname == "" {
		network.Hostname = container.Hostname
	}
	id := api.NewID()
	spec := runtime.Spec{
		ID: id,
		Task: runtime.TaskRef{
			Task: t.id, Service: want.Task.Service, Name: data.Task.Name, Revision: want.Task.Revision, Attempt: attemptNumber(status),
		},
		Image:     runtime.ImageRef{Name: container.Image, Digest: container.Digest, Auth: container.RegistryAuth},
		Container: container,
		Resources: want.spec.Resources,
		Network:   network,
		Files:     files,
		Output:    t.output(id, container.TTY),
	}
	return spec, nil
}

func attemptNumber(status api.TaskStatus) int {
	if len(status.Attempts) == 0 {
		return 1
	}
	return status.Restarts + 2
}

func (t *task) output(container string, tty bool) runtime.Output {
	if t.agent.config.DiscardOutput {
		return runtime.Output{}
	}
	base := filepath.Join(t.agent.config.Dir, "fifo", container)
	output := runtime.Output{Stdout: base + ".out", Stderr: base + ".err"}
	if tty {
		output.Stderr = ""
	}
	return output
}

// attach gives the task its network.
func (t *task) attach(ctx context.Context, assignment wire.Assignment, spec *api.ServiceSpec) (runtime.Network, error) {
	if spec.NetworkMode == "none" {
		return runtime.Network{Mode: "none"}, nil
	}
	if t.agent.config.Networks == nil || spec.NetworkMode == "host" {
		return runtime.Network{Mode: "host"}, nil
	}
	t.detached = false
	t.place(false) // first: what comes free from now on wakes the worker
	network, addresses, err := t.agent.config.Networks.Attach(ctx, assignment, spec)
	if err != nil {
		return runtime.Network{}, err
	}
	t.place(true)
	t.note(func(s *api.TaskStatus) {
		s.Addresses = addresses
	})
	return network, nil
}

// place notes whether the task has its place in the network.
func (t *task) place(has bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unplaced = !has
}

// create makes the container and reads its output from the start. How many are
// made at once is bounded: more would only make each of them slower.
func (t *task) create(ctx context.Context, spec runtime.Spec) error {
	select {
	case t.agent.slots <- struct{}{}:
		defer func() { <-t.agent.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	t.mu.Lock()
	still := t.goal.makes()
	t.mu.Unlock()
	if !still {
		return nil
	}
	t.agent.register(spec.ID, t)
	if err := t.listen(spec.ID, spec.Task.Attempt, spec.Output, &spec.Container); err != nil {
		t.dropContainer(spec.ID)
		return err
	}
	if err := t.agent.config.Runtime.Create(ctx, spec); err != nil {
		t.dropContainer(spec.ID)
		return err
	}
	t.mu.Lock()
	t.container = &runtime.Container{ID: spec.ID, Task: spec.Task, State: runtime.Created, Output: spec.Output}
	t.mu.Unlock()
	return nil
}

// startCreated starts the container that was made. One that does not start is
// removed.
func (t *task) startCreated(ctx context.Context) (time.Duration, error) {
	if t.heldUp(ctx) {
		return 0, nil
	}
	t.mu.Lock()
	id := t.container.ID
	t.blame = ""
	t.mu.Unlock()
	if err := t.agent.config.Runtime.Start(ctx, id); err != nil {
		return 0, t.refuse(ctx, errors.Join(err, t.clean(ctx)))
	}
	t.begun(id, 0, time.Now())
	return 0, nil
}

// begun notes a new attempt.
func (t *task) begun(id string, pid int, at time.Time) {
	t.mu.Lock()
	if n := len(t.record.Status.Attempts); n > 0 && t.record.Status.Attempts[n-1].Error != stoppedCutOff {
		t.record.Starts = append(t.record.Starts, at)
		if len(t.record.Starts) > maxStarts {
			t.record.Starts = t.record.Starts[1:]
		}
	}
	t.mu.Unlock()
	t.note(func(s *api.TaskStatus) {
		if len(s.Attempts) > 0 {
			s.Restarts++
		}
		s.State, s.Message, s.NextStart, s.Healthy, s.Checks = api.TaskStarting, "", time.Time{}, nil, nil
		s.Attempts = attempted(s.Attempts, api.Attempt{Container: id, Pid: pid, Started: at, ExitCode: -1})
	})
	var kept []string
	for _, each := range t.snapshot().Attempts {
		kept = append(kept, each.Container)
	}
	if err := t.agent.logs.Keep(t.id, kept); err != nil {
		t.log.Warn("logs of old containers stay", zap.Error(err))
	}
}

// attempted returns the attempts with another one, as many as are kept.
func attempted(attempts []api.Attempt, another api.Attempt) []api.Attempt {
	attempts = append(slices.Clone(attempts), another)
	return attempts[max(0, len(attempts)-api.TaskHistoryLimit):]
}

// maxStarts bounds how many restarts are remembered for a policy's window.
const maxStarts = 1000

// listen captures the container's output.
func (t *task) listen(id string, attempt int, output runtime.Output, container *api.ContainerSpec) error {
	if t.capture != nil || t.agent.config.DiscardOutput {
		return nil
	}
	source := logs.Source{
		Task: t.id, Container: id, Attempt: attempt, Stdout: output.Stdout, Stderr: output.Stderr,
		MaxSize: api.DefaultLogMaxSize, MaxFiles: api.DefaultLogMaxFiles,
	}
	if container != nil && container.LogMaxSize > 0 {
		source.MaxSize = container.LogMaxSize
	}
	if container != nil && container.LogMaxFiles > 0 {
		source.MaxFiles = container.LogMaxFiles
	}
	capture, err := t.agent.logs.Capture(source)
	if err != nil {
		return err
	}
	t.capture = capture
	return nil
}

// watch sees to a running container: its output, its health, its state.
func (t *task) watch(ctx context.Context) (time.Duration, error) {
	t.mu.Lock()
	c, want, attempts := *t.container, t.want, t.record.Status.Attempts
	t.mu.Unlock()
	var spec *api.ContainerSpec
	if want != nil && want.spec != nil {
		spec = &want.spec.Container
	}
	if err := t.listen(c.ID, c.Task.Attempt, c.Output, spec); err != nil {
		return 0, err
	}
	if len(attempts) == 0 || attempts[len(attempts)-1].Container != c.ID {
		t.begun(c.ID, c.Pid, c.Started) // started by a process that died before it could note it
	}
	if c.Health != nil && t.health == nil {
		t.health = startHealth(ctx, t, c, t.snapshot())
	}
	opened, doing, broken := t.open(ctx, c.ID, spec)
	healthy, unhealthy := t.health.result()
	t.note(func(s *api.TaskStatus) {
		last, state, well := len(s.Attempts)-1, s.State, s.Healthy
		s.Attempts = slices.Clone(s.Attempts)
		s.Attempts[last].Pid = c.Pid
		if !c.Started.IsZero() {
			s.Attempts[last].Started = c.Started
		}
		if t.opening != nil {
			s.Message = doing
		}
		switch {
		case !opened:
			s.State = api.TaskStarting
		case c.Health == nil:
			s.State = api.TaskRunning
		case healthy:
			s.State, s.Healthy = api.TaskRunning, &healthy
		case unhealthy != "":
			s.Healthy = new(bool)
		default:
			s.State = api.TaskStarting
		}
		// Only a new verdict is told with its checks: a container that stays well
		// costs the manager no writes.
		if c.Health != nil && (s.State != state || !api.EqualSpec(s.Healthy, well) || len(s.Checks) == 0) {
			s.Checks = t.health.checks()
		}
	})
	if unhealthy != "" {
		broken = "unhealthy: " + unhealthy
	}
	if broken == "" {
		return lookAgain, nil
	}
	t.log.Warn("container is not well", zap.String("container", c.ID), zap.String("why", broken))
	t.mu.Lock()
	t.blame = broken
	t.mu.Unlock()
	return 0, t.shut(ctx)
}

// lookAgain is after how long a running container is looked at even if nothing was
// heard of it: a lost event costs time, and nothing else.
const lookAgain = time.Minute

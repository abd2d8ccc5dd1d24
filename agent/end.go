package agent

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/sleep"
)

// killWait is how long a container that was killed is waited for.
const killWait = 10 * time.Second

// stop ends a container that should not run any more: first it is drained, if it
// can be reached over a network, then signalled, and killed when its grace is over.
func (t *task) stop(ctx context.Context) error {
	t.mu.Lock()
	why := t.blame
	t.mu.Unlock()
	t.note(func(s *api.TaskStatus) {
		if !s.State.Terminal() { // an end is for good
			s.State, s.Message = api.TaskStopping, why
		}
	})
	if err := t.drain(ctx); err != nil {
		return err
	}
	return t.shut(ctx)
}

// drain waits until nobody sends new connections, and then for those there are.
func (t *task) drain(ctx context.Context) error {
	delay := t.drainDelay()
	if delay == 0 {
		return nil
	}
	t.mu.Lock()
	want := t.want.Assignment
	t.mu.Unlock()
	if err := t.agent.config.Networks.Withdraw(ctx, want); err != nil {
		return err
	}
	return sleep.For(ctx, delay)
}

// drainDelay is how long a leaving task's connections are given: none where nobody
// can have any.
func (t *task) drainDelay() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.agent.config.Networks == nil || t.want == nil || t.want.spec == nil || !t.want.spec.Reachable() {
		return 0
	}
	if d := t.want.spec.DrainDelay; d != nil {
		return d.Std()
	}
	return api.DefaultDrainDelay
}

// shut runs the container's pre_stop hooks, signals it and waits for its end, at
// most for its grace; then it kills.
func (t *task) shut(ctx context.Context) error {
	t.leaveAlone()
	t.mu.Lock()
	id, signal, grace := t.container.ID, t.container.StopSignal, api.DefaultStopGrace
	var before []api.Hook
	if t.want != nil && t.want.spec != nil {
		grace, before = t.want.spec.Container.Grace(), t.want.spec.Container.PreStop
	}
	t.mu.Unlock()
	if signal == "" {
		signal = "SIGTERM"
	}
	grace, err := t.preStop(ctx, id, before, grace)
	if err != nil {
		return err
	}
	for _, try := range []struct {
		signal string
		wait   time.Duration
	}{{signal, grace}, {"SIGKILL", killWait}} {
		err := t.agent.config.Runtime.Signal(ctx, id, try.signal)
		var wrong *api.Error
		switch {
		case errors.Is(err, runtime.ErrNotFound), errors.Is(err, runtime.ErrNotRunning):
			return nil
		case errors.As(err, &wrong) && wrong.Code == api.CodeInvalid:
			t.log.Warn("the image's stop signal is none", zap.Error(err))
			continue
		case err != nil:
			return err
		}
		if ended, err := t.awaitEnd(ctx, id, try.wait); ended || err != nil {
			return err
		}
	}
	t.agent.left(t) // others must not wait for it
	return errors.New("the container does not end although it was killed")
}

// awaitEnd waits for a container's end, which wakes the worker.
func (t *task) awaitEnd(ctx context.Context, id string, limit time.Duration) (bool, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		seen, err := t.agent.config.Runtime.Inspect(ctx, id)
		if errors.Is(err, runtime.ErrNotFound) || err == nil && seen.State != runtime.Running {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-t.wakeup:
		case <-timer.C:
			return false, nil
		}
	}
}

// conclude notes how the container ended, once, and removes it. It notes first, so
// that no crash loses an exit code.
func (t *task) conclude(ctx context.Context) error {
	t.mu.Lock()
	c, blame, attempts := *t.container, t.blame, t.record.Status.Attempts
	t.mu.Unlock()
	last := len(attempts) - 1
	unseen := last < 0 || attempts[last].Container != c.ID
	if unseen {
		t.begun(c.ID, c.Pid, c.Started) // it ended before a process that died could note its start
	}
	if unseen || attempts[last].Finished.IsZero() {
		t.end(c, blame)
	}
	return t.clean(ctx)
}

// end notes the end of the newest attempt and what follows from it.
func (t *task) end(c runtime.Container, why string) {
	t.mu.Lock()
	t.blame = ""
	t.mu.Unlock()
	t.note(func(s *api.TaskStatus) {
		s.Attempts = slices.Clone(s.Attempts)
		last := &s.Attempts[len(s.Attempts)-1]
		last.Finished, last.ExitCode, last.OOMKilled, last.Error = c.Finished, c.ExitCode, c.OOM, oneLine(why)
		if last.Finished.IsZero() {
			last.Finished = time.Now()
		}
		if last.Started.IsZero() {
			last.Started = last.Finished
		}
		s.Healthy = nil
		if t.goal != goalRun || t.want == nil || t.want.spec == nil {
			s.State, s.Message = api.TaskShutdown, describe(*last)
			return
		}
		if why == stoppedCutOff {
			s.State, s.Message = api.TaskWaiting, why
			return
		}
		if last.Finished.Sub(last.Started) < steadyAfter && why != removedByUser {
			t.record.Crashes++
		} else {
			t.record.Crashes = 0
		}
		v := judge(t.want.spec.Restart, *last, t.record.Crashes, t.record.Starts, time.Now())
		s.Message = v.why
		if !v.again {
			s.State = v.state
			return
		}
		s.State, s.NextStart = api.TaskWaiting, v.at
	})
}

// clean removes the container with its FIFOs; its logs stay.
func (t *task) clean(ctx context.Context) error {
	t.leaveAlone()
	t.mu.Lock()
	id := t.container.ID
	t.mu.Unlock()
	// The capture goes on meanwhile: what the container said last is on its way
	// until it is removed.
	if err := t.agent.config.Runtime.Remove(ctx, id); err != nil {
		return err
	}
	t.mu.Lock()
	t.container = nil
	t.mu.Unlock()
	t.dropContainer(id)
	return nil
}

// dropContainer forgets what is kept of a container that is gone.
func (t *task) dropContainer(id string) {
	t.agent.register(id, nil)
	if t.capture != nil {
		t.capture.Close()
		t.capture = nil
	}
	output := t.output(id, false)
	for _, path := range []string{output.Stdout, output.Stderr} {
		if path != "" {
			os.Remove(path) // may never have been made
		}
	}
}

// erase drops all that is kept of the task.
func (t *task) erase(ctx context.Context) error {
	if err := t.detach(ctx); err != nil {
		return err
	}
	t.agent.outbox.drop(t.id)
	if err := os.Remove(t.file()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return t.agent.logs.Remove(t.id)
}

// detach gives back the place in the network of a task that has ended for good.
func (t *task) detach(ctx context.Context) error {
	networks := t.agent.config.Networks
	if networks == nil || t.detached {
		return nil
	}
	err := networks.Detach(ctx, t.id)
	t.detached = err == nil
	return err
}

// kill removes a task's container at once, as `orc rm -f` asks. Its restart policy
// decides what follows.
func (t *task) kill(ctx context.Context, container string, force bool) error {
	t.mu.Lock()
	if t.container == nil || t.container.ID != container {
		t.mu.Unlock()
		return api.NotFoundf("no such container on this node any more")
	}
	if t.container.State == runtime.Running && !force {
		t.mu.Unlock()
		return api.Conflictf("container %s runs: stop its service, or use -f", api.ShortID(container))
	}
	t.blame = removedByUser
	t.mu.Unlock()
	err := t.agent.config.Runtime.Remove(ctx, container)
	if err != nil {
		t.mu.Lock()
		t.blame = ""
		t.mu.Unlock()
	}
	t.wake()
	return err
}

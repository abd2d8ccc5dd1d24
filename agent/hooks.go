package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/sleep"
)

// opening runs a container's post_start hooks. A nil one has nothing to run.
//
// An agent that ends meanwhile runs them from the first again: they run at least
// once in each container, and never again once all have ended well.
type opening struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	opened  bool   // all have ended well
	doing   string // for people, while one runs
	failure string
}

func startOpening(ctx context.Context, t *task, container string, hooks []api.Hook) *opening {
	ctx, cancel := context.WithCancel(ctx)
	o := &opening{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer t.wake()
		defer close(o.done)
		o.run(ctx, t, container, hooks)
	}()
	return o
}

// result says whether all hooks have ended well, which one runs otherwise, and why
// one failed if it did.
func (o *opening) result() (opened bool, doing, failure string) {
	if o == nil {
		return true, "", ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened, o.doing, o.failure
}

func (o *opening) run(ctx context.Context, t *task, container string, hooks []api.Hook) {
	for i, hook := range hooks {
		o.mu.Lock()
		o.doing = fmt.Sprintf("runs post_start hook %d of %d", i+1, len(hooks))
		o.mu.Unlock()
		t.wake()
		err := runHook(ctx, t.agent.config.Runtime, container, hook)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil, errors.Is(err, runtime.ErrNotRunning), errors.Is(err, runtime.ErrNotFound):
			return // how the container ended is told, not that a hook found it so
		}
		o.mu.Lock()
		o.failure = fmt.Sprintf("post_start hook %q: %s", strings.Join(hook.Command, " "), err)
		o.mu.Unlock()
		return
	}
	o.mu.Lock()
	o.opened, o.doing = true, ""
	o.mu.Unlock()
}

// runHook runs one command to its end. A runtime that is away is waited for.
func runHook(ctx context.Context, r runtime.Runtime, container string, hook api.Hook) error {
	for {
		output := &head{left: maxCheckOutput}
		code, err := r.Exec(ctx, container, runtime.Exec{
			Args: hook.Command, Env: hook.Env, Dir: hook.Dir, User: hook.User, Privileged: hook.Privileged,
			Stdout: output, Stderr: output,
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && code == 0:
			return nil
		case err == nil:
			return errors.New(strings.TrimSuffix(fmt.Sprintf("exit code %d: %s", code, strings.TrimSpace(output.String())), ": "))
		case errors.Is(err, runtime.ErrRejected), errors.Is(err, runtime.ErrNotRunning), errors.Is(err, runtime.ErrNotFound):
			return err
		}
		if err := sleep.For(ctx, retryPause); err != nil {
			return err
		}
	}
}

// open sees to the post_start hooks of a container that runs. spec is nil while it
// is not known.
func (t *task) open(ctx context.Context, container string, spec *api.ContainerSpec) (opened bool, doing, failure string) {
	t.mu.Lock()
	before := t.record.Opened == container
	t.mu.Unlock()
	if before || spec == nil || len(spec.PostStart) == 0 {
		return true, "", ""
	}
	if t.opening == nil {
		t.opening = startOpening(ctx, t, container, spec.PostStart)
	}
	opened, doing, failure = t.opening.result()
	if opened { // "doing" is empty from now on
		t.mu.Lock()
		t.record.Opened = container
		t.mu.Unlock()
		t.save()
	}
	return opened, doing, failure
}

// leaveAlone ends what the agent runs in the container beside its process.
func (t *task) leaveAlone() {
	if t.health != nil {
		t.health.cancel()
		<-t.health.done
		t.health = nil
	}
	if t.opening != nil {
		t.opening.cancel()
		<-t.opening.done
		t.opening = nil
	}
}

// leastGrace is what hooks that take the whole grace period leave of it to the
// process, as Kubernetes does.
const leastGrace = 2 * time.Second

// preStop runs the hooks within the grace period and returns what is left of it.
// What goes wrong does not hold the stop up. The only error is ctx's.
func (t *task) preStop(ctx context.Context, container string, hooks []api.Hook, grace time.Duration) (left time.Duration, err error) {
	limit, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	begun := time.Now()
	for _, hook := range hooks {
		if err := runHook(limit, t.agent.config.Runtime, container, hook); err != nil && ctx.Err() == nil {
			t.log.Warn("pre_stop hook", zap.Strings("command", hook.Command), zap.Error(err))
		}
	}
	return max(grace-time.Since(begun), min(grace, leastGrace)), ctx.Err()
}

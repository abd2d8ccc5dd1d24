package agent

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/sleep"
)

// maxCheckOutput is how much of a check's output is kept, in bytes.
const maxCheckOutput = 4 << 10

// maxChecks is how many results are kept.
const maxChecks = 5

// firstChecks is the pause between checks before the first success, when the
// check's own intervals are longer: a container that is well should not have to
// wait half a minute to be seen so. Such a check's failure does not count.
const firstChecks = time.Second

// health runs a container's checks until it is stopped. A nil one has no result.
type health struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	results   []api.CheckResult
	healthy   bool
	failures  int // in a row, those that count
	unhealthy string
}

// startHealth begins to check. before is what an agent that ended had found: a
// healthy container stays so until its checks fail.
func startHealth(ctx context.Context, t *task, c runtime.Container, before api.TaskStatus) *health {
	ctx, cancel := context.WithCancel(ctx)
	h := &health{cancel: cancel, done: make(chan struct{}), healthy: before.State == api.TaskRunning, results: slices.Clone(before.Checks)}
	go func() {
		defer close(h.done)
		h.run(ctx, t, c)
	}()
	return h
}

// result says whether the container is healthy, and why it is unhealthy if it is.
func (h *health) result() (healthy bool, unhealthy string) {
	if h == nil {
		return false, ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.healthy, h.unhealthy
}

// checks are the last results, the oldest first.
func (h *health) checks() []api.CheckResult {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.results)
}

func (h *health) run(ctx context.Context, t *task, c runtime.Container) {
	check := *c.Health
	interval := cmp.Or(check.Interval.Std(), api.DefaultHealthInterval)
	startInterval := cmp.Or(check.StartInterval.Std(), api.DefaultStartInterval)
	begun := time.Now()
	counted := begun
	for {
		wait := interval
		if healthy, _ := h.result(); !healthy {
			wait = min(interval, startInterval, firstChecks)
		}
		if sleep.For(ctx, wait) != nil {
			return
		}
		result := h.check(ctx, t.agent.config.Runtime, c.ID, check)
		if ctx.Err() != nil {
			return
		}
		counts := result.Started.Sub(counted) >= interval && result.Started.Sub(begun) >= check.StartPeriod.Std()
		if counts {
			counted = result.Started
		}
		if h.take(result, counts, cmp.Or(check.Retries, api.DefaultHealthRetries)) {
			t.wake()
		}
	}
}

// check runs the command once.
func (h *health) check(ctx context.Context, r runtime.Runtime, id string, check api.HealthCheck) api.CheckResult {
	timeout := cmp.Or(check.Timeout.Std(), api.DefaultHealthTimeout)
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	output := &head{left: maxCheckOutput}
	result := api.CheckResult{Started: time.Now()}
	args, err := command(check.Test)
	if err != nil {
		result.ExitCode, result.Output = -1, oneLine(err.Error())
		return result
	}
	code, err := r.Exec(limit, id, runtime.Exec{Args: args, Stdout: output, Stderr: output})
	result.Duration, result.ExitCode, result.Output = api.Duration(time.Since(result.Started)), code, output.String()
	switch {
	case limit.Err() != nil && ctx.Err() == nil:
		result.ExitCode, result.Output = -1, fmt.Sprintf("the check took longer than %s", timeout)
	case err != nil:
		result.ExitCode, result.Output = -1, oneLine(err.Error())
	}
	return result
}

// command is what a test runs. An image's test was never validated.
func command(test []string) ([]string, error) {
	if len(test) >= 2 && test[0] == "CMD" {
		return test[1:], nil
	}
	if len(test) == 2 && test[0] == "CMD-SHELL" {
		return []string{"/bin/sh", "-c", test[1]}, nil
	}
	return nil, fmt.Errorf("health check %q: begin with CMD and a command, or CMD-SHELL and one line", test)
}

// take notes a result and reports whether it made a difference.
func (h *health) take(result api.CheckResult, counts bool, retries int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.results = append(h.results, result)
	if len(h.results) > maxChecks {
		h.results = h.results[1:]
	}
	if result.ExitCode == 0 {
		changed := !h.healthy
		h.healthy, h.failures = true, 0
		return changed
	}
	if counts || h.healthy {
		h.failures++
	}
	if h.failures < retries || h.unhealthy != "" {
		return false
	}
	h.healthy = false
	h.unhealthy = fmt.Sprintf("%d checks failed, the last with exit code %d: %s", h.failures, result.ExitCode, strings.TrimSpace(result.Output))
	return true
}

// head keeps the beginning of what is written to it.
type head struct {
	mu   sync.Mutex
	b    strings.Builder
	left int
}

var _ io.Writer = (*head)(nil)

// Write implements io.Writer; it never fails.
func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := p[:min(len(p), h.left)]
	h.b.Write(kept)
	h.left -= len(kept)
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.ToValidUTF8(h.b.String(), "\uFFFD")
}

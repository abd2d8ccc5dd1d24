package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/fake"
)

// checked runs one task whose check exits with what code says of the seconds since
// its container started.
func checked(t *testing.T, check api.HealthCheck, code func(second int) int, test func(*testing.T, *host)) {
	bubble(t, func(t *testing.T, h *host) {
		begun := make(map[string]time.Time)
		h.runtime.Script("web:1", fake.Script{Exec: func(_ context.Context, id string, exec runtime.Exec) (int, error) {
			if begun[id].IsZero() {
				begun[id] = h.container("a").Started
			}
			fmt.Fprint(exec.Stdout, "answer")
			return code(int(time.Since(begun[id]) / time.Second)), nil
		}})
		if check.Test == nil {
			check.Test = []string{"CMD", "check"}
		}
		h.assign("a", true, func(s *api.ServiceSpec) { s.Container.Health = &check })
		test(t, h)
	})
}

// settle lets a time pass in the bubble, and everything that it brings about.
func settle(d time.Duration) {
	time.Sleep(d + time.Millisecond)
	synctest.Wait()
}

func seconds(n int) api.Duration { return api.Duration(n) * api.Duration(time.Second) }

func TestHealthOverTime(t *testing.T) {
	from := func(second int) func(int) int { // fails before, succeeds from then on
		return func(now int) int {
			if now < second {
				return 1
			}
			return 0
		}
	}
	until := func(second int) func(int) int { return func(now int) int { return 1 - from(second)(now) } }
	for name, test := range map[string]struct {
		check    api.HealthCheck
		code     func(int) int
		after    time.Duration
		state    api.TaskState
		restarts int
	}{
		"healthy after the first second":      {code: from(0), after: time.Second, state: api.TaskRunning},
		"not before":                          {code: from(0), after: 900 * time.Millisecond, state: api.TaskStarting},
		"late, within the retries":            {code: from(80), after: 81 * time.Second, state: api.TaskRunning},
		"too late":                            {code: from(1000), after: 91 * time.Second, state: api.TaskStarting, restarts: 1},
		"late, within the start period":       {check: api.HealthCheck{StartPeriod: seconds(300)}, code: from(290), after: 295 * time.Second, state: api.TaskRunning},
		"too late after the start period":     {check: api.HealthCheck{StartPeriod: seconds(300)}, code: from(1000), after: 389 * time.Second, state: api.TaskStarting, restarts: 1},
		"unhealthy after three checks":        {code: until(10), after: 100 * time.Second, state: api.TaskRunning, restarts: 1},
		"still healthy after two":             {code: until(10), after: 80 * time.Second, state: api.TaskRunning},
		"failures that are not in a row":      {check: api.HealthCheck{Interval: seconds(1), Retries: 2}, code: func(now int) int { return now % 2 }, after: time.Minute, state: api.TaskRunning},
		"one retry":                           {check: api.HealthCheck{Interval: seconds(1), Retries: 1}, code: until(20), after: 21 * time.Second, state: api.TaskRunning, restarts: 1},
		"a test that is none":                 {check: api.HealthCheck{Test: []string{"CMD-SHELL"}}, code: from(0), after: 80 * time.Second, state: api.TaskStarting},
		"another word":                        {check: api.HealthCheck{Test: []string{"curl", "x"}}, code: from(0), after: 80 * time.Second, state: api.TaskStarting},
		"a line of shell":                     {check: api.HealthCheck{Test: []string{"CMD-SHELL", "true || false"}}, code: from(0), after: 2 * time.Second, state: api.TaskRunning},
		"the start interval is longer than 1": {check: api.HealthCheck{StartInterval: seconds(20), Interval: seconds(60)}, code: from(0), after: 2 * time.Second, state: api.TaskRunning},
	} {
		t.Run(name, func(t *testing.T) {
			checked(t, test.check, test.code, func(t *testing.T, h *host) {
				settle(test.after)
				status := h.status("a")
				require.Equal(t, test.state, status.State)
				require.Equal(t, test.restarts, status.Restarts)
			})
		})
	}
}

func TestTheLastChecksAreTold(t *testing.T) {
	checked(t, api.HealthCheck{Interval: seconds(1), Retries: 10}, func(int) int { return 3 }, func(t *testing.T, h *host) {
		settle(10 * time.Second)
		status := h.status("a")
		require.Contains(t, status.Attempts[0].Error, "unhealthy: 10 checks failed, the last with exit code 3: answer")
		require.Equal(t, 128+15, status.Attempts[0].ExitCode)
		require.Empty(t, status.Checks, "they are the new container's")
	})
	checked(t, api.HealthCheck{Interval: seconds(10)}, func(now int) int { return min(1, max(0, 8-now)) }, func(t *testing.T, h *host) {
		settle(9 * time.Second)
		var codes []int
		for _, check := range h.status("a").Checks {
			codes = append(codes, check.ExitCode)
			require.Equal(t, "answer", check.Output)
		}
		require.Equal(t, []int{1, 1, 1, 1, 0}, codes)
	})
}

func TestChecksThatDoNotEndFail(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{Exec: func(ctx context.Context, _ string, _ runtime.Exec) (int, error) {
			<-ctx.Done()
			return -1, ctx.Err()
		}})
		h.assign("a", true, func(s *api.ServiceSpec) {
			s.Container.Health = &api.HealthCheck{Test: []string{"CMD", "x"}, Interval: seconds(5), Timeout: seconds(2), Retries: 1}
		})
		settle(20 * time.Second)
		require.Contains(t, h.status("a").Attempts[0].Error, "the check took longer than 2s")
	})
}

func TestACheckThatCannotRunIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{Exec: func(context.Context, string, runtime.Exec) (int, error) {
			return 0, errors.Join(runtime.ErrRejected, errors.New("no such command"))
		}})
		h.assign("a", true, func(s *api.ServiceSpec) {
			s.Container.Health = &api.HealthCheck{Test: []string{"CMD", "x"}, Interval: seconds(5), Retries: 1}
		})
		settle(10 * time.Second)
		require.Contains(t, h.status("a").Attempts[0].Error, "no such command")
	})
}

func TestOutputOfChecksIsBounded(t *testing.T) {
	output := &head{left: maxCheckOutput}
	for range 10 {
		n, err := output.Write([]byte(strings.Repeat("é", 1001)))
		require.NoError(t, err)
		require.Equal(t, 2002, n)
	}
	require.LessOrEqual(t, len(output.String()), maxCheckOutput+2)
	require.Contains(t, output.String(), "éé")
}

package agent

import (
	"fmt"
	"time"

	"github.com/orc-project/orc/api"
)

// steadyAfter is how long a container must have run for its end to be no part of a
// crash loop.
const steadyAfter = 10 * time.Second

// verdict is what becomes of a task whose container ended.
type verdict struct {
	again bool
	at    time.Time     // when it starts again
	state api.TaskState // when it does not
	why   string
}

// judge decides by the restart policy what follows from the end of the last
// attempt. crashes are the ends in a row, with this one, that came soon after their
// start; starts are the times of the restarts so far.
func judge(policy api.RestartPolicy, last api.Attempt, crashes int, starts []time.Time, now time.Time) verdict {
	clean := last.ExitCode == 0 && last.Error == "" && !last.OOMKilled
	switch {
	case policy.Condition == api.RestartNone, policy.Condition == api.RestartOnFailure && clean:
		if clean {
			return verdict{state: api.TaskComplete, why: describe(last)}
		}
		return verdict{state: api.TaskFailed, why: describe(last)}
	case policy.MaxAttempts != nil && *policy.MaxAttempts > 0 && recent(starts, policy.Window.Std(), now) >= *policy.MaxAttempts:
		return verdict{state: api.TaskFailed, why: fmt.Sprintf("%s; restarted %d times, as often as it may", describe(last), *policy.MaxAttempts)}
	}
	return verdict{again: true, at: now.Add(backOff(policy, crashes)), why: describe(last)}
}

// backOff is the pause before the next start: none after a run that was steady and
// none after the first crash, then the policy's delay, doubled with each further
// crash in a row.
func backOff(policy api.RestartPolicy, crashes int) time.Duration {
	if crashes <= 1 {
		return 0
	}
	delay := api.DefaultRestartDelay
	if policy.Delay != nil {
		delay = policy.Delay.Std()
	}
	for range min(crashes-2, 20) {
		if delay >= api.MaxRestartDelay {
			break
		}
		delay *= 2
	}
	return min(delay, api.MaxRestartDelay)
}

// recent counts the restarts within the window before now; without one, all.
func recent(starts []time.Time, window time.Duration, now time.Time) int {
	count := 0
	for _, at := range starts {
		if window == 0 || now.Sub(at) < window {
			count++
		}
	}
	return count
}

// removedByUser is the error of an attempt that `orc rm -f` ended.
const removedByUser = "removed by a user"

// describe says how an attempt ended.
func describe(a api.Attempt) string {
	switch {
	case a.OOMKilled:
		return fmt.Sprintf("out of memory: killed (exit code %d)", a.ExitCode)
	case a.Error != "":
		return a.Error
	case a.ExitCode > 128 && a.ExitCode <= 128+64:
		return fmt.Sprintf("ended by signal %d (exit code %d)", a.ExitCode-128, a.ExitCode)
	case a.ExitCode < 0:
		return "ended while nobody watched: its exit code is not known"
	}
	return fmt.Sprintf("ended with exit code %d", a.ExitCode)
}

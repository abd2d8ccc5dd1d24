package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func ran(d time.Duration, code int) api.Attempt {
	return api.Attempt{Started: noon.Add(-d), Finished: noon, ExitCode: code}
}

func TestRestartPolicy(t *testing.T) {
	short, long, well := ran(time.Second, 1), ran(time.Minute, 1), ran(time.Minute, 0)
	two := 2
	for name, test := range map[string]struct {
		policy  api.RestartPolicy
		last    api.Attempt
		crashes int
		starts  int
		again   bool
		delay   time.Duration
		state   api.TaskState
	}{
		"a steady container starts at once":   {last: long, starts: 2, again: true},
		"the first crash too":                 {last: short, crashes: 1, starts: 100, again: true},
		"the second waits":                    {last: short, crashes: 2, starts: 1, again: true, delay: 5 * time.Second},
		"the third waits longer":              {last: short, crashes: 3, starts: 2, again: true, delay: 10 * time.Second},
		"there is a longest pause":            {last: short, crashes: 1000, starts: 1000, again: true, delay: api.MaxRestartDelay},
		"none, ended well":                    {policy: api.RestartPolicy{Condition: api.RestartNone}, last: well, state: api.TaskComplete},
		"none, failed":                        {policy: api.RestartPolicy{Condition: api.RestartNone}, last: short, crashes: 1, state: api.TaskFailed},
		"on-failure, ended well":              {policy: api.RestartPolicy{Condition: api.RestartOnFailure}, last: well, state: api.TaskComplete},
		"on-failure, failed":                  {policy: api.RestartPolicy{Condition: api.RestartOnFailure}, last: long, again: true},
		"as often as it may":                  {policy: api.RestartPolicy{MaxAttempts: &two}, last: long, starts: 2, state: api.TaskFailed},
		"old restarts are outside the window": {policy: api.RestartPolicy{MaxAttempts: &two, Window: api.Duration(time.Minute)}, last: long, starts: 2, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			spec := &api.ServiceSpec{Restart: test.policy}
			spec.Defaults()
			starts := make([]time.Time, test.starts)
			for i := range starts {
				starts[i] = noon.Add(-time.Hour)
			}
			v := judge(spec.Restart, test.last, test.crashes, starts, noon)
			require.Equal(t, test.again, v.again)
			require.Equal(t, test.state, v.state)
			if v.again {
				require.Equal(t, test.delay, v.at.Sub(noon))
			}
			require.NotEmpty(t, v.why)
		})
	}
}

func TestEndsAreDescribed(t *testing.T) {
	for want, attempt := range map[string]api.Attempt{
		"ended with exit code 3":                                 {ExitCode: 3},
		"ended by signal 9 (exit code 137)":                      {ExitCode: 137},
		"out of memory: killed (exit code 137)":                  {ExitCode: 137, OOMKilled: true},
		"unhealthy: x":                                           {ExitCode: 143, Error: "unhealthy: x"},
		"ended while nobody watched: its exit code is not known": {ExitCode: -1},
	} {
		require.Equal(t, want, describe(attempt))
	}
}

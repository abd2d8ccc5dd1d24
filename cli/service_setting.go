package cli

import (
	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/spec"
)

// setting is a flag of `service create` and `service update` alike that sets one
// field of the spec. apply is called only when the flag was given.
type setting struct {
	flag  cli.Flag
	apply func(c *cli.Context, s *api.ServiceSpec) error
}

func text(name, usage string, field func(*api.ServiceSpec) *string, aliases ...string) setting {
	return setting{&cli.StringFlag{Name: name, Usage: usage, Aliases: aliases}, func(c *cli.Context, s *api.ServiceSpec) error {
		*field(s) = c.String(name)
		return nil
	}}
}

// word is text of a type of its own, as a mode.
func word[T ~string](name, usage string, field func(*api.ServiceSpec) *T) setting {
	return setting{&cli.StringFlag{Name: name, Usage: usage}, func(c *cli.Context, s *api.ServiceSpec) error {
		*field(s) = T(c.String(name))
		return nil
	}}
}

func number(name, usage string, set func(*api.ServiceSpec, int)) setting {
	return setting{&cli.IntFlag{Name: name, Usage: usage}, func(c *cli.Context, s *api.ServiceSpec) error {
		set(s, c.Int(name))
		return nil
	}}
}

func yes(name, usage string, field func(*api.ServiceSpec) *bool, aliases ...string) setting {
	return setting{&cli.BoolFlag{Name: name, Usage: usage, Aliases: aliases}, func(c *cli.Context, s *api.ServiceSpec) error {
		*field(s) = c.Bool(name)
		return nil
	}}
}

func length(name, usage string, set func(*api.ServiceSpec, api.Duration)) setting {
	return setting{&cli.DurationFlag{Name: name, Usage: usage}, func(c *cli.Context, s *api.ServiceSpec) error {
		set(s, api.Duration(c.Duration(name)))
		return nil
	}}
}

func size(name, usage string, field func(*api.ServiceSpec) *int64) setting {
	return setting{&cli.StringFlag{Name: name, Usage: usage}, func(c *cli.Context, s *api.ServiceSpec) (err error) {
		*field(s), err = spec.Bytes("--"+name, c.String(name))
		return err
	}}
}

func cpus(name, usage string, field func(*api.ServiceSpec) *int64) setting {
	return setting{&cli.StringFlag{Name: name, Usage: usage}, func(c *cli.Context, s *api.ServiceSpec) (err error) {
		*field(s), err = spec.CPUs(c.String(name))
		return err
	}}
}

// settings are all of them, by what they are about.
func settings() []setting {
	var all []setting
	for _, group := range [][]setting{
		modeSettings(), processSettings(), resourceSettings(), restartSettings(),
		paceSettings("update", func(s *api.ServiceSpec) *api.UpdateConfig { return &s.Update }),
		paceSettings("rollback", func(s *api.ServiceSpec) *api.UpdateConfig { return &s.Rollback }),
		healthSettings(),
	} {
		all = append(all, group...)
	}
	return all
}

func modeSettings() []setting {
	return []setting{
		number("replicas", "`NUMBER` of tasks (default 1)", func(s *api.ServiceSpec, n int) { s.Replicas = &n }),
		number("max-concurrent", "`NUMBER` of a job's tasks at once (default all)", func(s *api.ServiceSpec, n int) { s.MaxConcurrent = n }),
		number("replicas-max-per-node", "at most this `NUMBER` of tasks on a node (default no limit)", func(s *api.ServiceSpec, n int) { s.Placement.MaxPerNode = n }),
		yes("auto-rebalance", "move tasks by itself when nodes come back or join, as `orc service rebalance` does", func(s *api.ServiceSpec) *bool { return &s.Placement.Rebalance }),
		text("schedule", "run a job at `CRON` times, as '0 3 * * *' or @daily", func(s *api.ServiceSpec) *string { return &s.Schedule }),
		word("endpoint-mode", "`MODE` of the service's name: vip or dnsrr", func(s *api.ServiceSpec) *api.EndpointMode { return &s.Endpoint }),
		length("drain-delay", "how `LONG` connections of a leaving task are given (default 2s)", func(s *api.ServiceSpec, d api.Duration) { s.DrainDelay = &d }),
		{&cli.StringFlag{Name: "isolation", Usage: "`WHAT` tasks do on a node that no manager reaches: continue, or stop-after=30s (default continue)"}, isolation},
	}
}

func isolation(c *cli.Context, s *api.ServiceSpec) (err error) {
	s.StopIsolated, err = api.ParseIsolation(c.String("isolation"))
	return err
}

func processSettings() []setting {
	return []setting{
		{&cli.StringFlag{Name: "entrypoint", Usage: "`COMMAND` instead of the image's entrypoint"}, func(c *cli.Context, s *api.ServiceSpec) (err error) {
			s.Container.Entrypoint, err = spec.Words("--entrypoint", c.String("entrypoint"))
			return err
		}},
		text("workdir", "working `DIRECTORY` in the container", func(s *api.ServiceSpec) *string { return &s.Container.Dir }, "w"),
		text("user", "`USER[:GROUP]`, names or numbers", func(s *api.ServiceSpec) *string { return &s.Container.User }, "u"),
		text("hostname", "host `NAME` of the containers", func(s *api.ServiceSpec) *string { return &s.Container.Hostname }),
		text("stop-signal", "`SIGNAL` that asks a container to end", func(s *api.ServiceSpec) *string { return &s.Container.StopSignal }),
		length("stop-grace-period", "`TIME` between the stop signal and SIGKILL (default 10s)", func(s *api.ServiceSpec, d api.Duration) { s.Container.StopGrace = &d }),
		yes("read-only", "mount the root file system read-only", func(s *api.ServiceSpec) *bool { return &s.Container.ReadOnly }),
		yes("tty", "give the containers a terminal", func(s *api.ServiceSpec) *bool { return &s.Container.TTY }, "t"),
		yes("privileged", "give the containers all rights on their hosts", func(s *api.ServiceSpec) *bool { return &s.Container.Privileged }),
		{&cli.BoolFlag{Name: "init", Usage: "run an init as process 1 that reaps and forwards signals"}, func(c *cli.Context, s *api.ServiceSpec) error {
			on := c.Bool("init")
			s.Container.Init = &on
			return nil
		}},
		size("shm-size", "`BYTES` of /dev/shm (default 64m)", func(s *api.ServiceSpec) *int64 { return &s.Container.ShmSize }),
		number("oom-score-adj", "`NUMBER` from -1000 to 1000", func(s *api.ServiceSpec, n int) { s.Container.OOMScoreAdj = n }),
	}
}

func resourceSettings() []setting {
	return []setting{
		cpus("limit-cpu", "`CORES` at most, as 0.5", func(s *api.ServiceSpec) *int64 { return &s.Resources.Limits.NanoCPUs }),
		size("limit-memory", "`BYTES` at most, as 512m", func(s *api.ServiceSpec) *int64 { return &s.Resources.Limits.Memory }),
		number("limit-pids", "`NUMBER` of processes at most", func(s *api.ServiceSpec, n int) { s.Resources.Limits.Pids = int64(n) }),
		cpus("reserve-cpu", "`CORES` that a node must have left", func(s *api.ServiceSpec) *int64 { return &s.Resources.Reservations.NanoCPUs }),
		size("reserve-memory", "`BYTES` that a node must have left", func(s *api.ServiceSpec) *int64 { return &s.Resources.Reservations.Memory }),
	}
}

func restartSettings() []setting {
	return []setting{
		word("restart-condition", "`WHEN` to start again: any, on-failure or none (default any; jobs on-failure)", func(s *api.ServiceSpec) *api.RestartCondition { return &s.Restart.Condition }),
		length("restart-delay", "`TIME` between starts (default 5s)", func(s *api.ServiceSpec, d api.Duration) { s.Restart.Delay = &d }),
		number("restart-max-attempts", "`NUMBER` of starts before giving up (default no limit)", func(s *api.ServiceSpec, n int) { s.Restart.MaxAttempts = &n }),
		length("restart-window", "`TIME` in which attempts are counted (default ever)", func(s *api.ServiceSpec, d api.Duration) { s.Restart.Window = d }),
	}
}

// paceSettings are those of an update or, the same, of a rollback.
func paceSettings(which string, of func(*api.ServiceSpec) *api.UpdateConfig) []setting {
	return []setting{
		number(which+"-parallelism", "`NUMBER` of tasks at once, 0 for all (default 1)", func(s *api.ServiceSpec, n int) { of(s).Parallelism = &n }),
		length(which+"-delay", "`TIME` between tasks (default 0s)", func(s *api.ServiceSpec, d api.Duration) { of(s).Delay = d }),
		length(which+"-monitor", "`TIME` that a new task must stay up (default 5s)", func(s *api.ServiceSpec, d api.Duration) { of(s).Monitor = &d }),
		word(which+"-failure-action", "`ACTION` when too many tasks fail (default pause)", func(s *api.ServiceSpec) *api.FailureAction { return &of(s).FailureAction }),
		{&cli.Float64Flag{Name: which + "-max-failure-ratio", Usage: "`SHARE` of tasks that may fail, 0 to 1 (default 0)"}, func(c *cli.Context, s *api.ServiceSpec) error {
			of(s).MaxFailureRatio = c.Float64(which + "-max-failure-ratio")
			return nil
		}},
		word(which+"-order", "`ORDER`: stop-first or start-first (default stop-first)", func(s *api.ServiceSpec) *api.UpdateOrder { return &of(s).Order }),
	}
}

func healthSettings() []setting {
	health := func(s *api.ServiceSpec) *api.HealthCheck {
		if s.Container.Health == nil {
			s.Container.Health = &api.HealthCheck{}
		}
		return s.Container.Health
	}
	return []setting{
		{&cli.StringFlag{Name: "health-cmd", Usage: "shell `COMMAND` that tells whether a container is well"}, func(c *cli.Context, s *api.ServiceSpec) error {
			health(s).Test = []string{"CMD-SHELL", c.String("health-cmd")}
			return nil
		}},
		length("health-interval", "`TIME` between checks (default 30s)", func(s *api.ServiceSpec, d api.Duration) { health(s).Interval = d }),
		length("health-timeout", "`TIME` that one check may take (default 30s)", func(s *api.ServiceSpec, d api.Duration) { health(s).Timeout = d }),
		number("health-retries", "`NUMBER` of failures in a row that count (default 3)", func(s *api.ServiceSpec, n int) { health(s).Retries = n }),
		length("health-start-period", "`TIME` in which failures do not count (default 0s)", func(s *api.ServiceSpec, d api.Duration) { health(s).StartPeriod = d }),
		length("health-start-interval", "`TIME` between checks in the start period (default 5s)", func(s *api.ServiceSpec, d api.Duration) { health(s).StartInterval = d }),
		{&cli.BoolFlag{Name: "no-healthcheck", Usage: "switch the image's health check off"}, func(c *cli.Context, s *api.ServiceSpec) error {
			switch {
			case !c.Bool("no-healthcheck"):
				return nil
			case c.IsSet("health-cmd"):
				return usagef("--no-healthcheck and --health-cmd: choose")
			}
			s.Container.Health = &api.HealthCheck{Test: []string{"NONE"}}
			return nil
		}},
	}
}

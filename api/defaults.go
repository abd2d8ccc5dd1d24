package api

import "time"

// Defaults fills in what a spec leaves open and has one default for everybody:
// mode, policies, protocols. What the image decides (command, health check) and
// what is resolved later (networks) stays open. It changes nothing twice.
func (s *ServiceSpec) Defaults() {
	set(&s.Mode, ModeReplicated)
	set(&s.Endpoint, EndpointVIP)
	for i := range s.Ports {
		set(&s.Ports[i].Protocol, "tcp")
		set(&s.Ports[i].Mode, "ingress")
	}
	s.Container.defaults()
	s.Restart.defaults(s.Mode)
	if s.Mode.Job() {
		return
	}
	s.Update.defaults()
	s.Rollback.defaults()
}

func (c *ContainerSpec) defaults() {
	setPointer(&c.StopGrace, Duration(DefaultStopGrace))
	set(&c.LogMaxSize, DefaultLogMaxSize)
	set(&c.LogMaxFiles, DefaultLogMaxFiles)
	for i := range c.Mounts {
		set(&c.Mounts[i].Type, MountVolume)
	}
	for _, files := range [][]FileReference{c.Secrets, c.Configs} {
		for i := range files {
			set(&files[i].Mode, 0o444)
		}
	}
}

func (p *RestartPolicy) defaults(mode Mode) {
	if mode.Job() {
		set(&p.Condition, RestartOnFailure)
	}
	set(&p.Condition, RestartAny)
	setPointer(&p.Delay, Duration(DefaultRestartDelay))
}

func (u *UpdateConfig) defaults() {
	setPointer(&u.Parallelism, 1)
	setPointer(&u.Monitor, Duration(DefaultUpdateMonitor))
	set(&u.FailureAction, FailurePause)
	set(&u.Order, StopFirst)
}

// Grace is how long the container has between its stop signal and SIGKILL.
func (c *ContainerSpec) Grace() time.Duration {
	if c.StopGrace == nil {
		return DefaultStopGrace
	}
	return c.StopGrace.Std()
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func setPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

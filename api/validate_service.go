package api

import (
	"slices"
	"strings"

	"github.com/robfig/cron/v3"
)

// MaxReplicas is the most replicas that a service may ask for.
const MaxReplicas = 100_000

// Validate checks a spec after Defaults. The error is the first thing wrong, as
// one line that names the service, the field and the value.
func (s *ServiceSpec) Validate() error {
	if err := ValidateName("service", s.Name); err != nil {
		return err
	}
	for _, check := range []func() error{
		s.validateMode, s.Container.validate, s.Resources.validate, s.Restart.validate, s.Placement.validate,
		s.validateUpdates, s.validatePorts, s.validateNetworks, s.validateDependencies,
	} {
		if err := check(); err != nil {
			return Invalidf("service %s: %w", s.Name, err)
		}
	}
	return nil
}

func (s *ServiceSpec) validateMode() error {
	modes := []Mode{ModeReplicated, ModeGlobal, ModeReplicatedJob, ModeGlobalJob}
	switch {
	case !slices.Contains(modes, s.Mode):
		return Invalidf("mode %q: use replicated, global, replicated-job or global-job", s.Mode)
	case s.Replicas != nil && s.Mode.Global():
		return Invalidf("replicas: a %s service runs one task on every node", s.Mode)
	case s.Replicas != nil && (*s.Replicas < 0 || *s.Replicas > MaxReplicas):
		return Invalidf("replicas %d: use 0 to %d", *s.Replicas, MaxReplicas)
	case s.MaxConcurrent < 0:
		return Invalidf("max concurrent %d: use 0 (all at once) or more", s.MaxConcurrent)
	case s.MaxConcurrent > 0 && s.Mode != ModeReplicatedJob:
		return Invalidf("max concurrent: only for a replicated-job, and this is %s", s.Mode)
	case s.Schedule != "" && !s.Mode.Job():
		return Invalidf("schedule: only jobs have one, and this is %s", s.Mode)
	case s.Mode.Job() && s.Restart.Condition == RestartAny:
		return Invalidf("restart condition any: a job that ends well is done; use on-failure or none")
	}
	if s.Schedule != "" {
		if _, err := cron.ParseStandard(s.Schedule); err != nil {
			return Invalidf("schedule %q: want five fields of cron or @daily: %w", s.Schedule, err)
		}
	}
	return nil
}

func (s *ServiceSpec) validateUpdates() error {
	if s.Mode.Job() {
		if !s.Update.empty() || !s.Rollback.empty() {
			return Invalidf("update and rollback settings: a job does not roll, it runs again")
		}
		return nil
	}
	if err := s.Update.validate("update"); err != nil {
		return err
	}
	if s.Rollback.FailureAction == FailureRollback {
		return Invalidf("rollback failure action rollback: a rollback is not rolled back; use pause or continue")
	}
	if s.DrainDelay != nil && *s.DrainDelay < 0 {
		return Invalidf("drain delay %s is negative", *s.DrainDelay)
	}
	return s.Rollback.validate("rollback")
}

func (u *UpdateConfig) empty() bool {
	return u.Parallelism == nil && u.Delay == 0 && u.Monitor == nil && u.FailureAction == "" && u.MaxFailureRatio == 0 && u.Order == ""
}

func (u *UpdateConfig) validate(which string) error {
	switch {
	case u.Parallelism != nil && *u.Parallelism < 0:
		return Invalidf("%s parallelism %d: use 0 (all at once) or more", which, *u.Parallelism)
	case u.Delay < 0:
		return Invalidf("%s delay %s is negative", which, u.Delay)
	case u.Monitor != nil && *u.Monitor < 0:
		return Invalidf("%s monitor %s is negative", which, *u.Monitor)
	case !slices.Contains([]FailureAction{FailurePause, FailureContinue, FailureRollback}, u.FailureAction):
		return Invalidf("%s failure action %q: use pause, continue or rollback", which, u.FailureAction)
	case !(u.MaxFailureRatio >= 0 && u.MaxFailureRatio <= 1): // so that NaN is wrong too
		return Invalidf("%s max failure ratio %v: use 0 to 1", which, u.MaxFailureRatio)
	case u.Order != StopFirst && u.Order != StartFirst:
		return Invalidf("%s order %q: use stop-first or start-first", which, u.Order)
	}
	return nil
}

func (p *RestartPolicy) validate() error {
	switch {
	case !slices.Contains([]RestartCondition{RestartAny, RestartOnFailure, RestartNone}, p.Condition):
		return Invalidf("restart condition %q: use any, on-failure or none", p.Condition)
	case p.Delay != nil && *p.Delay < 0:
		return Invalidf("restart delay %s is negative", *p.Delay)
	case p.MaxAttempts != nil && *p.MaxAttempts < 0:
		return Invalidf("restart max attempts %d: use 0 (no limit) or more", *p.MaxAttempts)
	case p.Window < 0:
		return Invalidf("restart window %s is negative", p.Window)
	}
	return nil
}

func (p *Placement) validate() error {
	for _, text := range p.Constraints {
		if _, err := ParseConstraint(text); err != nil {
			return err
		}
	}
	for _, preference := range p.Preferences {
		if !validConstraintKey(preference.Spread) {
			return Invalidf("placement preference spread=%s: want something like spread=node.labels.zone", preference.Spread)
		}
	}
	if p.MaxPerNode < 0 {
		return Invalidf("max replicas per node %d: use 0 (no bound) or more", p.MaxPerNode)
	}
	return nil
}

// MinMemory is the least memory that a container may be limited to, in bytes;
// less than this and runc itself does not start.
const MinMemory = 6 << 20

func (r *Resources) validate() error {
	for _, set := range []struct {
		name string
		of   ResourceSet
	}{{"limit", r.Limits}, {"reservation", r.Reservations}} {
		switch {
		case set.of.NanoCPUs < 0 || set.of.Memory < 0 || set.of.Pids < 0:
			return Invalidf("resource %ss must not be negative", set.name)
		case set.name == "limit" && set.of.Memory > 0 && set.of.Memory < MinMemory:
			return Invalidf("memory limit of %d bytes: the least is %d (6 MiB)", set.of.Memory, MinMemory)
		}
		for name, n := range set.of.Generic {
			if n < 0 {
				return Invalidf("resource %s of %s=%d must not be negative", set.name, name, n)
			}
		}
	}
	switch l, v := r.Limits, r.Reservations; {
	case l.NanoCPUs > 0 && v.NanoCPUs > l.NanoCPUs:
		return Invalidf("cpu reservation %g is more than the limit %g", float64(v.NanoCPUs)/1e9, float64(l.NanoCPUs)/1e9)
	case l.Memory > 0 && v.Memory > l.Memory:
		return Invalidf("memory reservation of %d bytes is more than the limit of %d", v.Memory, l.Memory)
	}
	return nil
}

func (s *ServiceSpec) validateDependencies() error {
	conditions := []DependencyCondition{DependencyStarted, DependencyHealthy, DependencyCompleted}
	for _, dependency := range s.DependsOn {
		switch {
		case dependency.Service == s.Name:
			return Invalidf("depends_on: it cannot wait for itself")
		case !slices.Contains(conditions, dependency.Condition):
			return Invalidf("depends_on %s: condition %q: use service_started, service_healthy or service_completed_successfully",
				dependency.Service, dependency.Condition)
		}
	}
	return nil
}

func (s *ServiceSpec) validateNetworks() error {
	switch {
	case s.NetworkMode != "" && s.NetworkMode != "host" && s.NetworkMode != "none":
		return Invalidf("network mode %q: use host or none, or list networks", s.NetworkMode)
	case s.NetworkMode != "" && len(s.Networks) > 0:
		return Invalidf("network mode %s: then it can be on no network", s.NetworkMode)
	case s.NetworkMode != "" && len(s.Ports) > 0:
		return Invalidf("network mode %s: then it can publish no port", s.NetworkMode)
	case s.Endpoint != EndpointVIP && s.Endpoint != EndpointDNSRR:
		return Invalidf("endpoint mode %q: use vip or dnsrr", s.Endpoint)
	}
	seen := make(map[string]bool)
	for _, attachment := range s.Networks {
		if seen[attachment.Network] {
			return Invalidf("network %s is listed twice", attachment.Network)
		}
		seen[attachment.Network] = true
		for _, alias := range attachment.Aliases {
			if err := ValidateName("network alias", alias); err != nil {
				return err
			}
		}
	}
	return nil
}

// cleanPath reports whether a path in a container is absolute and free of "..".
func cleanPath(path string) bool {
	return strings.HasPrefix(path, "/") && !slices.Contains(strings.Split(path, "/"), "..") && !strings.ContainsRune(path, 0)
}

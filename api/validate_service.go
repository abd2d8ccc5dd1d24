package api

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/robfig/cron/v3"
)

// MaxReplicas is the most replicas that a service may ask for.
const MaxReplicas = 100_000

// Validate checks a spec after Defaults. The error is the first thing wrong, as
// one line that names the service, the field and the value.
func (s *ServiceSpec) Validate() error {
	if err := ValidateName("service", s.Name); err != nil {
		return within("name", "", err)
	}
	for _, part := range []struct {
		field string
		check func() error
	}{
		{"", s.validateMode}, {"container", s.Container.validate}, {"resources", s.Resources.validate},
		{"restart", s.Restart.validate}, {"placement", s.Placement.validate}, {"", s.validateUpdates},
		{"ports", s.validatePorts}, {"", s.validateNetworks}, {"dependsOn", s.validateDependencies},
	} {
		if err := part.check(); err != nil {
			return within(part.field, "service "+s.Name, err)
		}
	}
	return nil
}

func (s *ServiceSpec) validateMode() error {
	modes := []Mode{ModeReplicated, ModeGlobal, ModeReplicatedJob, ModeGlobalJob}
	switch {
	case !slices.Contains(modes, s.Mode):
		return wrong("mode", "mode %q: use replicated, global, replicated-job or global-job", s.Mode)
	case s.Replicas != nil && s.Mode.Global():
		return wrong("replicas", "replicas: a %s service runs one task on every node", s.Mode)
	case s.Replicas != nil && (*s.Replicas < 0 || *s.Replicas > MaxReplicas):
		return wrong("replicas", "replicas %d: use 0 to %d", *s.Replicas, MaxReplicas)
	case s.MaxConcurrent < 0:
		return wrong("maxConcurrent", "max concurrent %d: use 0 (all at once) or more", s.MaxConcurrent)
	case s.MaxConcurrent > 0 && s.Mode != ModeReplicatedJob:
		return wrong("maxConcurrent", "max concurrent: only for a replicated-job, and this is %s", s.Mode)
	case s.Schedule != "" && !s.Mode.Job():
		return wrong("schedule", "schedule: only jobs have one, and this is %s", s.Mode)
	case s.StopIsolated != nil && *s.StopIsolated < 0:
		return wrong("stopIsolated", "isolation stop-after=%s is negative", *s.StopIsolated)
	case s.Mode.Job() && s.Restart.Condition == RestartAny:
		return wrong("restart.condition", "restart condition any: a job that ends well is done; use on-failure or none")
	}
	if s.Placement.Rebalance && s.Mode != ModeReplicated {
		return wrong("placement.rebalance", "auto-rebalance: the tasks of a %s service are never moved", s.Mode)
	}
	if s.Schedule != "" {
		if _, err := cron.ParseStandard(s.Schedule); err != nil {
			return wrong("schedule", "schedule %q: want five fields of cron or @daily: %w", s.Schedule, err)
		}
	}
	return nil
}

func (s *ServiceSpec) validateUpdates() error {
	if s.Mode.Job() {
		if !s.Update.empty() {
			return wrong("update", "update settings: a job does not roll, it runs again")
		}
		if !s.Rollback.empty() {
			return wrong("rollback", "rollback settings: a job does not roll, it runs again")
		}
		return nil
	}
	if err := s.Update.validate("update"); err != nil {
		return within("update", "", err)
	}
	if s.Rollback.FailureAction == FailureRollback {
		return wrong("rollback.failureAction", "rollback failure action rollback: a rollback is not rolled back; use pause or continue")
	}
	if s.DrainDelay != nil && *s.DrainDelay < 0 {
		return wrong("drainDelay", "drain delay %s is negative", *s.DrainDelay)
	}
	return within("rollback", "", s.Rollback.validate("rollback"))
}

func (u *UpdateConfig) empty() bool {
	return u.Parallelism == nil && u.Delay == 0 && u.Monitor == nil && u.FailureAction == "" && u.MaxFailureRatio == 0 && u.Order == ""
}

func (u *UpdateConfig) validate(which string) error {
	switch {
	case u.Parallelism != nil && *u.Parallelism < 0:
		return wrong("parallelism", "%s parallelism %d: use 0 (all at once) or more", which, *u.Parallelism)
	case u.Delay < 0:
		return wrong("delay", "%s delay %s is negative", which, u.Delay)
	case u.Monitor != nil && *u.Monitor < 0:
		return wrong("monitor", "%s monitor %s is negative", which, *u.Monitor)
	case !slices.Contains([]FailureAction{FailurePause, FailureContinue, FailureRollback}, u.FailureAction):
		return wrong("failureAction", "%s failure action %q: use pause, continue or rollback", which, u.FailureAction)
	case !(u.MaxFailureRatio >= 0 && u.MaxFailureRatio <= 1): // so that NaN is wrong too
		return wrong("maxFailureRatio", "%s max failure ratio %v: use 0 to 1", which, u.MaxFailureRatio)
	case u.Order != StopFirst && u.Order != StartFirst:
		return wrong("order", "%s order %q: use stop-first or start-first", which, u.Order)
	}
	return nil
}

func (p *RestartPolicy) validate() error {
	switch {
	case !slices.Contains([]RestartCondition{RestartAny, RestartOnFailure, RestartNone}, p.Condition):
		return wrong("condition", "restart condition %q: use any, on-failure or none", p.Condition)
	case p.Delay != nil && *p.Delay < 0:
		return wrong("delay", "restart delay %s is negative", *p.Delay)
	case p.MaxAttempts != nil && *p.MaxAttempts < 0:
		return wrong("maxAttempts", "restart max attempts %d: use 0 (no limit) or more", *p.MaxAttempts)
	case p.Condition == RestartNone && p.MaxAttempts != nil && *p.MaxAttempts > 0:
		return wrong("maxAttempts", "restart condition none with max attempts %d: nothing is started again; leave one of them out", *p.MaxAttempts)
	case p.Window < 0:
		return wrong("window", "restart window %s is negative", p.Window)
	}
	return nil
}

func (p *Placement) validate() error {
	for i, text := range p.Constraints {
		if _, err := ParseConstraint(text); err != nil {
			return within(element("constraints", i), "", err)
		}
	}
	for i, preference := range p.Preferences {
		if !validConstraintKey(preference.Spread) {
			return wrong(element("preferences", i), "placement preference spread=%s: want something like spread=node.labels.zone", preference.Spread)
		}
	}
	if p.MaxPerNode < 0 {
		return wrong("maxPerNode", "max replicas per node %d: use 0 (no bound) or more", p.MaxPerNode)
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
		field := set.name + "s"
		switch {
		case set.of.NanoCPUs < 0:
			return wrong(field+".nanoCpus", "cpu %s must not be negative", set.name)
		case set.of.Memory < 0:
			return wrong(field+".memory", "memory %s must not be negative", set.name)
		case set.of.Pids < 0:
			return wrong(field+".pids", "pids %s must not be negative", set.name)
		case set.name == "limit" && set.of.Memory > 0 && set.of.Memory < MinMemory:
			return wrong(field+".memory", "memory limit of %d bytes: the least is %d (6 MiB)", set.of.Memory, MinMemory)
		}
		for _, name := range slices.Sorted(maps.Keys(set.of.Generic)) {
			if n := set.of.Generic[name]; n < 0 {
				return wrong(field+".generic", "resource %s of %s=%d must not be negative", set.name, name, n)
			}
		}
	}
	switch l, v := r.Limits, r.Reservations; {
	case l.NanoCPUs > 0 && v.NanoCPUs > l.NanoCPUs:
		return wrong("reservations.nanoCpus", "cpu reservation %g is more than the limit %g", float64(v.NanoCPUs)/1e9, float64(l.NanoCPUs)/1e9)
	case l.Memory > 0 && v.Memory > l.Memory:
		return wrong("reservations.memory", "memory reservation of %d bytes is more than the limit of %d", v.Memory, l.Memory)
	}
	return nil
}

func (s *ServiceSpec) validateDependencies() error {
	conditions := []DependencyCondition{DependencyStarted, DependencyHealthy, DependencyCompleted}
	for i, dependency := range s.DependsOn {
		switch {
		case dependency.Service == s.Name:
			return wrong(strconv.Itoa(i), "depends_on: it cannot wait for itself")
		case !slices.Contains(conditions, dependency.Condition):
			return wrong(strconv.Itoa(i), "depends_on %s: condition %q: use service_started, service_healthy or service_completed_successfully",
				dependency.Service, dependency.Condition)
		}
	}
	return nil
}

func (s *ServiceSpec) validateNetworks() error {
	switch {
	case s.NetworkMode != "" && s.NetworkMode != "host" && s.NetworkMode != "none":
		return wrong("networkMode", "network mode %q: use host or none, or list networks", s.NetworkMode)
	case s.NetworkMode != "" && len(s.Networks) > 0:
		return wrong("networkMode", "network mode %s: then it can be on no network", s.NetworkMode)
	case s.NetworkMode != "" && len(s.Ports) > 0:
		return wrong("networkMode", "network mode %s: then it can publish no port", s.NetworkMode)
	case s.Endpoint != EndpointVIP && s.Endpoint != EndpointDNSRR:
		return wrong("endpoint", "endpoint mode %q: use vip or dnsrr", s.Endpoint)
	}
	seen := make(map[string]bool)
	for i, attachment := range s.Networks {
		if seen[attachment.Network] {
			return wrong(element("networks", i), "network %s is listed twice", attachment.Network)
		}
		seen[attachment.Network] = true
		for _, alias := range attachment.Aliases {
			if err := ValidateName("network alias", alias); err != nil {
				return within(element("networks", i)+".aliases", "", err)
			}
		}
	}
	return nil
}

// element is the field of a list's element.
func element(list string, i int) string { return list + "." + strconv.Itoa(i) }

// cleanPath reports whether a path in a container is absolute and free of "..".
func cleanPath(path string) bool {
	return strings.HasPrefix(path, "/") && !slices.Contains(strings.Split(path, "/"), "..") && !strings.ContainsRune(path, 0)
}

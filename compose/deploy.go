package compose

import (
	"math"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/orc-project/orc/api"
)

func (c *converter) deploy(spec *api.ServiceSpec, s types.ServiceConfig) {
	spec.Replicas = s.Scale
	c.restart(spec, s.Restart)
	c.limits(spec, s)
	c.platform(spec, s.Platform)
	d := s.Deploy
	if d == nil {
		return
	}
	spec.Labels = plainMap(d.Labels)
	spec.Mode = api.Mode(d.Mode)
	spec.Endpoint = api.EndpointMode(d.EndpointMode)
	if d.Replicas != nil {
		spec.Replicas = d.Replicas
	}
	spec.Update = c.update("deploy.update_config", d.UpdateConfig)
	spec.Rollback = c.update("deploy.rollback_config", d.RollbackConfig)
	if p := d.RestartPolicy; p != nil {
		spec.Restart = api.RestartPolicy{Condition: condition(p.Condition), Delay: duration(p.Delay),
			MaxAttempts: c.count("deploy.restart_policy.max_attempts", p.MaxAttempts)}
		if p.Window != nil {
			spec.Restart.Window = api.Duration(*p.Window)
		}
	}
	spec.Placement.Constraints = d.Placement.Constraints
	for _, preference := range d.Placement.Preferences {
		spec.Placement.Preferences = append(spec.Placement.Preferences, api.Preference{Spread: preference.Spread})
	}
	if most := c.count("deploy.placement.max_replicas_per_node", &d.Placement.MaxReplicas); most != nil {
		spec.Placement.MaxPerNode = *most
	}
}

// condition reads the old names of Compose's restart as well.
func condition(name string) api.RestartCondition {
	switch name {
	case "always", "unless-stopped":
		return api.RestartAny
	case "no":
		return api.RestartNone
	}
	return api.RestartCondition(name)
}

func (c *converter) restart(spec *api.ServiceSpec, policy string) {
	name, attempts, limited := strings.Cut(policy, ":")
	if policy == "" {
		return
	}
	switch name {
	case "always", "unless-stopped", "no", "on-failure":
	default:
		c.add("restart", "%q: use no, always, unless-stopped or on-failure[:N]", policy)
		return
	}
	spec.Restart.Condition = condition(name)
	if !limited {
		return
	}
	n, err := strconv.Atoi(attempts)
	if err != nil || n < 0 || name != "on-failure" {
		c.add("restart", "%q: use no, always, unless-stopped or on-failure[:N]", policy)
		return
	}
	spec.Restart.MaxAttempts = &n
}

func (c *converter) update(key string, u *types.UpdateConfig) api.UpdateConfig {
	if u == nil {
		return api.UpdateConfig{}
	}
	config := api.UpdateConfig{
		Parallelism: c.count(key+".parallelism", u.Parallelism), Delay: api.Duration(u.Delay),
		FailureAction: api.FailureAction(u.FailureAction), MaxFailureRatio: exact(u.MaxFailureRatio), Order: api.UpdateOrder(u.Order),
	}
	if u.Monitor != 0 || c.report.index.sets(c.path, key+".monitor") { // the library has no nil for it
		config.Monitor = duration(&u.Monitor)
	}
	return config
}

func (c *converter) count(key string, n *uint64) *int {
	if n == nil {
		return nil
	}
	if *n > math.MaxInt32 {
		c.add(key, "%d is too large", *n)
		return nil
	}
	count := int(*n)
	return &count
}

// exact is the decimal number that a float32 was read from.
func exact(f float32) float64 {
	value, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	if err != nil {
		return float64(f)
	}
	return value
}

func (c *converter) limits(spec *api.ServiceSpec, s types.ServiceConfig) {
	limits, reservations := &spec.Resources.Limits, &spec.Resources.Reservations
	limits.NanoCPUs = c.cpus("cpus", s.CPUS)
	limits.Memory = int64(s.MemLimit)
	if s.PidsLimit > 0 { // -1 is no limit
		limits.Pids = s.PidsLimit
	}
	reservations.Memory = int64(s.MemReservation)
	if s.Deploy == nil {
		return
	}
	c.resources(limits, "limits", s.Deploy.Resources.Limits)
	c.resources(reservations, "reservations", s.Deploy.Resources.Reservations)
}

func (c *converter) resources(set *api.ResourceSet, key string, r *types.Resource) {
	if r == nil {
		return
	}
	if r.NanoCPUs != 0 {
		set.NanoCPUs = c.cpus("deploy.resources."+key+".cpus", float32(r.NanoCPUs))
	}
	if r.MemoryBytes != 0 {
		set.Memory = int64(r.MemoryBytes)
	}
	if r.Pids > 0 {
		set.Pids = r.Pids
	}
	for _, generic := range r.GenericResources {
		if discrete := generic.DiscreteResourceSpec; discrete != nil {
			if set.Generic == nil {
				set.Generic = make(map[string]int64)
			}
			set.Generic[discrete.Kind] = discrete.Value
		}
	}
}

// maxCPUs keeps a count of nano-CPUs within an int64.
const maxCPUs = 1_000_000

func (c *converter) cpus(key string, n float32) int64 {
	if !(n >= 0 && n <= maxCPUs) {
		c.add(key, "%v: use a number of cores such as 0.5", n)
		return 0
	}
	return int64(math.Round(exact(n) * 1e9))
}

func (c *converter) platform(spec *api.ServiceSpec, platform string) {
	if platform == "" {
		return
	}
	parts := strings.Split(platform, "/")
	if len(parts) < 2 || parts[0] != "linux" || parts[1] == "" {
		c.add("platform", "%q: want something like linux/amd64", platform)
		return
	}
	spec.Placement.Platforms = []api.Platform{{OS: parts[0], Arch: parts[1]}}
}

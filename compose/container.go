package compose

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/orc-project/orc/api"
)

func (c *converter) container(s types.ServiceConfig) api.ContainerSpec {
	if s.Image == "" {
		c.add("image", "an image is needed")
	}
	spec := api.ContainerSpec{
		Image: s.Image, Env: environment(s.Environment), Labels: plainMap(s.Labels), Dir: s.WorkingDir, User: s.User,
		Groups: s.GroupAdd, Hostname: s.Hostname, Domainname: s.DomainName, TTY: s.Tty, OpenStdin: s.StdinOpen,
		ReadOnly: s.ReadOnly, Init: s.Init, StopSignal: s.StopSignal, StopGrace: duration(s.StopGracePeriod),
		Mounts: c.mounts(s), Health: c.health(s.HealthCheck), PostStart: hooks(s.PostStart), PreStop: hooks(s.PreStop),
		Ulimits: ulimits(s.Ulimits), Sysctls: plainMap(s.Sysctls),
		CapAdd: s.CapAdd, CapDrop: s.CapDrop, Privileged: s.Privileged, SecurityOpts: s.SecurityOpt, PidMode: s.Pid,
		IpcMode: s.Ipc, ShmSize: int64(s.ShmSize), DNS: s.DNS, DNSSearch: s.DNSSearch, DNSOptions: s.DNSOpts,
		Hosts: c.hosts(s.ExtraHosts),
	}
	if s.OomScoreAdj < -1000 || s.OomScoreAdj > 1000 {
		c.add("oom_score_adj", "%d: use -1000 to 1000", s.OomScoreAdj)
	} else {
		spec.OOMScoreAdj = int(s.OomScoreAdj)
	}
	for _, device := range s.Devices {
		spec.Devices = append(spec.Devices, api.Device{Source: device.Source, Target: device.Target, Permissions: device.Permissions})
	}
	for _, secret := range s.Secrets {
		spec.Secrets = append(spec.Secrets, c.fileReference("secrets", types.FileReferenceConfig(secret)))
	}
	for _, config := range s.Configs {
		spec.Configs = append(spec.Configs, c.fileReference("configs", types.FileReferenceConfig(config)))
	}
	for _, server := range s.DNS {
		if _, err := netip.ParseAddr(server); err != nil {
			c.add("dns", "%q is not an address", server)
		}
	}
	c.command(&spec, s)
	c.logging(&spec, s.Logging)
	return spec
}

// command sets entrypoint and arguments. An empty one clears the image's.
func (c *converter) command(spec *api.ContainerSpec, s types.ServiceConfig) {
	spec.Entrypoint, spec.Args = s.Entrypoint, s.Command
	switch {
	case s.Entrypoint != nil && len(s.Entrypoint) == 0 && len(s.Command) == 0:
		c.add("entrypoint", "it is empty, and there is no command: name what to run")
	case s.Entrypoint != nil && len(s.Entrypoint) == 0:
		spec.Entrypoint, spec.Args = s.Command, nil
	case s.Entrypoint == nil && s.Command != nil && len(s.Command) == 0:
		c.add("command", "it is empty: to run the image's entrypoint alone, name it under entrypoint")
	case len(s.Command) == 0:
		spec.Args = nil
	}
}

func environment(env types.MappingWithEquals) []string {
	var entries []string
	for _, name := range sortedKeys(env) {
		if value := env[name]; value != nil { // without one it is unset, as in Compose
			entries = append(entries, name+"="+*value)
		}
	}
	return entries
}

func (c *converter) hosts(list types.HostsList) []string {
	var entries []string
	for _, name := range sortedKeys(list) {
		for _, address := range list[name] {
			if _, err := netip.ParseAddr(address); err != nil && address != api.HostGateway {
				c.add("extra_hosts", "%s: %q is not an address: use one, or %s for the node", name, address, api.HostGateway)
			}
			entries = append(entries, name+":"+address)
		}
	}
	return entries
}

func ulimits(limits map[string]*types.UlimitsConfig) []api.Ulimit {
	var found []api.Ulimit
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		limit := limits[name]
		if limit == nil {
			continue
		}
		u := api.Ulimit{Name: name, Soft: int64(limit.Soft), Hard: int64(limit.Hard)}
		if limit.Single != 0 {
			u.Soft, u.Hard = int64(limit.Single), int64(limit.Single)
		}
		found = append(found, u)
	}
	return found
}

func (c *converter) health(h *types.HealthCheckConfig) *api.HealthCheck {
	switch {
	case h == nil:
		return nil
	case h.Disable:
		return &api.HealthCheck{Test: []string{"NONE"}}
	}
	check := &api.HealthCheck{Test: h.Test}
	for _, set := range []struct {
		to   *api.Duration
		from *types.Duration
	}{{&check.Interval, h.Interval}, {&check.Timeout, h.Timeout}, {&check.StartPeriod, h.StartPeriod}, {&check.StartInterval, h.StartInterval}} {
		if set.from != nil {
			*set.to = api.Duration(*set.from)
		}
	}
	if h.Retries != nil {
		if *h.Retries > math.MaxInt32 {
			c.add("healthcheck.retries", "%d is too large", *h.Retries)
			return check
		}
		check.Retries = int(*h.Retries)
	}
	return check
}

func (c *converter) fileReference(key string, f types.FileReferenceConfig) api.FileReference {
	reference := api.FileReference{Source: f.Source, Target: f.Target, UID: f.UID, GID: f.GID}
	if f.Mode != nil {
		if *f.Mode < 0 || *f.Mode > 0o7777 {
			c.add(key, "%s: mode %o: use permission bits such as 0440", f.Source, int64(*f.Mode))
			return reference
		}
		reference.Mode = fileMode(*f.Mode)
	}
	return reference
}

// logging reads the size and count of log files; the names are Docker's.
func (c *converter) logging(spec *api.ContainerSpec, l *types.LoggingConfig) {
	if l == nil {
		return
	}
	switch l.Driver {
	case "", "json-file", "local":
	default:
		c.add("logging.driver", "%q: orc keeps logs itself; use json-file or leave it out", l.Driver)
		return
	}
	for _, name := range sortedKeys(l.Options) {
		value := l.Options[name]
		var err error
		switch name {
		case "max-size":
			spec.LogMaxSize, err = units.RAMInBytes(value)
		case "max-file":
			spec.LogMaxFiles, err = strconv.Atoi(value)
		default:
			c.add("logging.options."+name, "orc knows max-size and max-file: remove it")
			continue
		}
		if err != nil {
			c.add("logging.options."+name, "%q: want something like 10m and 3", value)
		}
	}
}

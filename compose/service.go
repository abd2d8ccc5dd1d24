package compose

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/orc-project/orc/api"
)

// converter turns one service into a spec.
type converter struct {
	report  *report
	path    string // services.NAME
	project *types.Project
}

func (c *converter) add(key, format string, args ...any) {
	c.report.add(join(c.path, key), format, args...)
}

func (c *converter) warn(key, format string, args ...any) {
	c.report.warn(join(c.path, key), format, args...)
}

func (c *converter) service(s types.ServiceConfig) api.ServiceSpec {
	spec := api.ServiceSpec{Name: s.Name, Container: c.container(s), Ports: c.ports(s.Ports), DependsOn: c.dependencies(s)}
	c.deploy(&spec, s)
	c.networking(&spec, s)
	c.extensions(&spec, s.Extensions)
	c.remarks(s)
	spec.Defaults()
	return spec
}

// remarks tells of keys that are read in orc's own way.
func (c *converter) remarks(s types.ServiceConfig) {
	if s.ContainerName != "" {
		c.warn("container_name", "orc names containers itself; on its networks the service is found by this name too")
	}
	switch s.PullPolicy {
	case "", types.PullPolicyMissing, types.PullPolicyIfNotPresent, types.PullPolicyAlways:
	default:
		c.add("pull_policy", "%q: images are resolved when the app is deployed; remove it", s.PullPolicy)
	}
	for _, link := range s.Links {
		if service, alias, found := strings.Cut(link, ":"); found && alias != service {
			c.add("links", "%q: use the service's name, or give %s the network alias %s", link, service, alias)
		}
	}
}

func (c *converter) dependencies(s types.ServiceConfig) []api.Dependency {
	var found []api.Dependency
	for _, name := range sortedKeys(s.DependsOn) {
		dependency := s.DependsOn[name]
		if _, there := c.project.Services[name]; !there && !dependency.Required {
			continue
		}
		condition := api.DependencyCondition(dependency.Condition)
		if condition == "" {
			condition = api.DependencyStarted
		}
		found = append(found, api.Dependency{Service: name, Condition: condition})
	}
	return found
}

func (c *converter) networking(spec *api.ServiceSpec, s types.ServiceConfig) {
	switch s.NetworkMode {
	case "":
	case "host", "none":
		spec.NetworkMode = s.NetworkMode
		return
	case "bridge", "default":
		c.add("network_mode", "%q: leave it out, and list networks", s.NetworkMode)
		return
	default:
		c.add("network_mode", "%q: use host or none, or list networks", s.NetworkMode)
		return
	}
	for _, name := range sortedKeys(s.Networks) {
		attachment := api.NetworkAttachment{Network: name}
		if config := s.Networks[name]; config != nil {
			attachment.Aliases = slices.Clone(config.Aliases)
		}
		if s.ContainerName != "" && s.ContainerName != s.Name {
			attachment.Aliases = append(attachment.Aliases, s.ContainerName)
		}
		slices.Sort(attachment.Aliases)
		attachment.Aliases = slices.Compact(attachment.Aliases)
		spec.Networks = append(spec.Networks, attachment)
	}
}

func (c *converter) ports(ports []types.ServicePortConfig) []api.Port {
	var found []api.Port
	for _, p := range ports {
		port := api.Port{Name: p.Name, Protocol: p.Protocol, Mode: p.Mode, HostIP: p.HostIP}
		target, published := uint64(p.Target), uint64(0)
		var err error
		if p.Published != "" {
			if published, err = strconv.ParseUint(p.Published, 10, 64); err != nil {
				c.add("ports", "published port %q: name one port for each container port", p.Published)
				continue
			}
		}
		if target == 0 || target > math.MaxUint16 || published > math.MaxUint16 {
			c.add("ports", "port %s:%d: use 1 to 65535", p.Published, p.Target)
			continue
		}
		port.Target, port.Published = uint16(target), uint16(published)
		if value, given := p.Extensions[extLocalFirst]; given {
			local, isBool := value.(bool)
			if !isBool {
				c.add("ports", "%s: want true or false", extLocalFirst)
			}
			port.LocalFirst = local
		}
		found = append(found, port)
	}
	return found
}

func (c *converter) extensions(spec *api.ServiceSpec, given types.Extensions) {
	if value, found := given[extSchedule]; found {
		spec.Schedule = fmt.Sprint(value)
	}
	if value, found := given[extMaxConcurrent]; found {
		n, err := strconv.Atoi(fmt.Sprint(value))
		if err != nil {
			c.add(extMaxConcurrent, "%v: want a number", value)
		}
		spec.MaxConcurrent = n
	}
	if value, found := given[extIsolation]; found {
		var err error
		if spec.StopIsolated, err = api.ParseIsolation(fmt.Sprint(value)); err != nil {
			c.add(extIsolation, "%w", err)
		}
	}
	if value, found := given[extRebalance]; found {
		wanted, ok := value.(bool)
		if !ok {
			c.add(extRebalance, "%v: want true or false", value)
		}
		spec.Placement.Rebalance = wanted
	}
	if value, found := given[extDrainDelay]; found {
		delay, err := time.ParseDuration(fmt.Sprint(value))
		if err != nil {
			c.add(extDrainDelay, "%v: want something like 2s", value)
		}
		duration := api.Duration(delay)
		spec.DrainDelay = &duration
	}
}

func duration(d *types.Duration) *api.Duration {
	if d == nil {
		return nil
	}
	result := api.Duration(*d)
	return &result
}

func plainMap[M ~map[string]string](m M) map[string]string {
	if len(m) == 0 {
		return nil
	}
	result := make(map[string]string, len(m))
	maps.Copy(result, m)
	return result
}

package cli

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/spec"
)

// collection is a flag that may be given many times: `service create --NAME`,
// and `service update --NAME-add` and `--NAME-rm`.
type collection struct {
	name, usage string
	alias       string // of create's
	removeUsage string
	add         func(s *api.ServiceSpec, values []string) error
	// remove is nil where Docker has none.
	remove func(s *api.ServiceSpec, keys []string) error
}

// of makes a collection of a slice in the spec whose items are parsed from text
// and have keys.
func of[T any](name, usage, removeUsage string, field func(*api.ServiceSpec) *[]T, parse func(string) ([]T, error), key func(T) string) collection {
	return collection{
		name: name, usage: usage, removeUsage: removeUsage,
		add: func(s *api.ServiceSpec, values []string) error {
			for _, value := range values {
				items, err := parse(value)
				if err != nil {
					return err
				}
				*field(s) = spec.Merge(*field(s), items, key)
			}
			return nil
		},
		remove: func(s *api.ServiceSpec, keys []string) error {
			*field(s) = spec.Remove(*field(s), keys, key)
			return nil
		},
	}
}

// mapped makes a collection of a map in the spec.
func mapped(name, usage, noun string, field func(*api.ServiceSpec) *map[string]string) collection {
	return collection{
		name: name, usage: usage, removeUsage: "remove the " + noun + " of this `KEY`",
		add: func(s *api.ServiceSpec, values []string) error {
			added, err := pairsOf(noun, values)
			if err != nil {
				return err
			}
			all := maps.Clone(*field(s))
			if all == nil {
				all = make(map[string]string)
			}
			maps.Copy(all, added)
			*field(s) = all
			return nil
		},
		remove: func(s *api.ServiceSpec, keys []string) error {
			all := maps.Clone(*field(s))
			for _, key := range keys {
				delete(all, key)
			}
			*field(s) = all
			return nil
		},
	}
}

func (l collection) as(alias string) collection {
	l.alias = alias
	return l
}

// pairsOf reads KEY=VALUE texts into a map.
func pairsOf(noun string, values []string) (map[string]string, error) {
	all := make(map[string]string, len(values))
	for _, text := range values {
		key, value, err := spec.Pair(noun, text)
		if err != nil {
			return nil, err
		}
		all[key] = value
	}
	return all, nil
}

// one makes a parser of many of a parser of one.
func one[T any](parse func(string) (T, error)) func(string) ([]T, error) {
	return func(text string) ([]T, error) {
		item, err := parse(text)
		if err != nil {
			return nil, err
		}
		return []T{item}, nil
	}
}

// plain takes texts as they stand.
func plain(text string) ([]string, error) { return []string{text}, nil }

// collections are all of them.
func collections() []collection {
	return append(append(containerCollections(), placementCollections()...), networkCollections()...)
}

func containerCollections() []collection {
	container := func(field func(*api.ContainerSpec) *[]string) func(*api.ServiceSpec) *[]string {
		return func(s *api.ServiceSpec) *[]string { return field(&s.Container) }
	}
	return []collection{
		of("env", "set a variable, `NAME=VALUE`, or NAME to take it from here", "remove the variable of this `NAME`",
			container(func(c *api.ContainerSpec) *[]string { return &c.Env }), environment, spec.EnvName).as("e"),
		mapped("label", "label of the service, `KEY=VALUE`", "label", func(s *api.ServiceSpec) *map[string]string { return &s.Labels }).as("l"),
		mapped("container-label", "label of the containers, `KEY=VALUE`", "container label", func(s *api.ServiceSpec) *map[string]string { return &s.Container.Labels }),
		of("mount", "mount a `FILESYSTEM`, as type=volume,source=data,target=/data", "remove the mount at this `TARGET`",
			func(s *api.ServiceSpec) *[]api.Mount { return &s.Container.Mounts }, one(spec.Mount), func(m api.Mount) string { return m.Target }),
		of("secret", "give the containers a secret, `NAME` or source=NAME,target=PATH,mode=0400", "take the secret of this `NAME` away",
			func(s *api.ServiceSpec) *[]api.FileReference { return &s.Container.Secrets },
			one(func(text string) (api.FileReference, error) { return spec.File("secret", text) }), fileSource),
		of("config", "give the containers a config, `NAME` or source=NAME,target=PATH", "take the config of this `NAME` away",
			func(s *api.ServiceSpec) *[]api.FileReference { return &s.Container.Configs },
			one(func(text string) (api.FileReference, error) { return spec.File("config", text) }), fileSource),
		of("ulimit", "`LIMIT` of a process, NAME=SOFT[:HARD], as nofile=1024:4096", "remove the ulimit of this `NAME`",
			func(s *api.ServiceSpec) *[]api.Ulimit { return &s.Container.Ulimits }, one(spec.Ulimit), func(u api.Ulimit) string { return u.Name }),
		mapped("sysctl", "kernel parameter, `NAME=VALUE`", "kernel parameter", func(s *api.ServiceSpec) *map[string]string { return &s.Container.Sysctls }),
		of("device", "give the containers a `DEVICE`, as /dev/NAME[:TARGET[:rwm]]", "take the device at this `PATH` away",
			func(s *api.ServiceSpec) *[]api.Device { return &s.Container.Devices }, one(spec.Device), func(d api.Device) string { return d.Source }),
		of("group", "add the user to a `GROUP`", "remove the user from a `GROUP`", container(func(c *api.ContainerSpec) *[]string { return &c.Groups }), plain, spec.Itself),
		of("security-opt", "`OPTION`: no-new-privileges or seccomp=unconfined", "remove this `OPTION`", container(func(c *api.ContainerSpec) *[]string { return &c.SecurityOpts }), plain, spec.Itself),
	}
}

func placementCollections() []collection {
	return []collection{
		of("constraint", "`CONSTRAINT` on nodes, as node.labels.zone==a", "remove this `CONSTRAINT`",
			func(s *api.ServiceSpec) *[]string { return &s.Placement.Constraints }, plain, spec.Itself),
		of("placement-pref", "`PREFERENCE` of where tasks go, as spread=node.labels.zone", "remove this `PREFERENCE`",
			func(s *api.ServiceSpec) *[]api.Preference { return &s.Placement.Preferences }, one(spec.Preference),
			func(p api.Preference) string { return "spread=" + p.Spread }),
		{
			name: "generic-resource", usage: "reserve an operator's own resource, `NAME=NUMBER`", removeUsage: "do not reserve this `NAME`",
			add: func(s *api.ServiceSpec, values []string) error {
				all := maps.Clone(s.Resources.Reservations.Generic)
				if all == nil {
					all = make(map[string]int64)
				}
				for _, value := range values {
					name, count, err := spec.Generic(value)
					if err != nil {
						return err
					}
					all[name] = count
				}
				s.Resources.Reservations.Generic = all
				return nil
			},
			remove: func(s *api.ServiceSpec, keys []string) error {
				all := maps.Clone(s.Resources.Reservations.Generic)
				for _, key := range keys {
					delete(all, key)
				}
				s.Resources.Reservations.Generic = all
				return nil
			},
		},
	}
}

func networkCollections() []collection {
	list := func(field func(*api.ContainerSpec) *[]string) func(*api.ServiceSpec) *[]string {
		return func(s *api.ServiceSpec) *[]string { return field(&s.Container) }
	}
	return []collection{
		{name: "publish", alias: "p", usage: "publish a `PORT`, as 8080:80/tcp or published=8080,target=80,mode=host",
			removeUsage: "do not publish this `PORT` of the container, as 80 or 80/udp", add: publish, remove: unpublish},
		{name: "network", usage: "join a network, `NAME`, name=NAME,alias=ALIAS, host or none", removeUsage: "leave the network of this `NAME`", add: join, remove: leave},
		of("dns", "DNS server, `ADDRESS`", "remove this `ADDRESS`", list(func(c *api.ContainerSpec) *[]string { return &c.DNS }), plain, spec.Itself),
		of("dns-search", "DNS search `DOMAIN`", "remove this `DOMAIN`", list(func(c *api.ContainerSpec) *[]string { return &c.DNSSearch }), plain, spec.Itself),
		of("dns-option", "DNS `OPTION`", "remove this `OPTION`", list(func(c *api.ContainerSpec) *[]string { return &c.DNSOptions }), plain, spec.Itself),
		of("host", "line for /etc/hosts, `NAME:ADDRESS`", "remove the line `NAME:ADDRESS`", list(func(c *api.ContainerSpec) *[]string { return &c.Hosts }), one(spec.Host), spec.Itself),
	}
}

func fileSource(f api.FileReference) string { return f.Source }

// environment takes NAME alone from orc's own environment.
func environment(text string) ([]string, error) {
	entry, err := spec.Env(text, os.LookupEnv)
	if err != nil || entry == "" {
		return nil, err
	}
	return []string{entry}, nil
}

func publish(s *api.ServiceSpec, values []string) error {
	for _, value := range values {
		ports, err := spec.Ports(value)
		if err != nil {
			return err
		}
		s.Ports = spec.Merge(s.Ports, ports, func(p api.Port) string {
			return fmt.Sprintf("%d/%s/%d/%s", p.Target, p.Protocol, p.Published, p.HostIP)
		})
	}
	return nil
}

// unpublish takes container ports, with tcp when no protocol is said, as Docker
// does.
func unpublish(s *api.ServiceSpec, keys []string) error {
	for i, key := range keys {
		ports, err := spec.Ports(key)
		if err != nil {
			return err
		}
		if len(ports) != 1 || strings.ContainsAny(key, ":=") {
			return api.Invalidf("--publish-rm %q: want a port of the container, as 80 or 53/udp", key)
		}
		keys[i] = fmt.Sprintf("%d/%s", ports[0].Target, ports[0].Protocol)
	}
	s.Ports = spec.Remove(s.Ports, keys, func(p api.Port) string { return fmt.Sprintf("%d/%s", p.Target, p.Protocol) })
	return nil
}

func join(s *api.ServiceSpec, values []string) error {
	for _, value := range values {
		if value == "host" || value == "none" {
			s.NetworkMode = value
			continue
		}
		attachment, err := spec.Network(value)
		if err != nil {
			return err
		}
		s.Networks = spec.Merge(s.Networks, []api.NetworkAttachment{attachment}, func(a api.NetworkAttachment) string { return a.Network })
	}
	return nil
}

func leave(s *api.ServiceSpec, keys []string) error {
	for _, key := range keys {
		if key == s.NetworkMode {
			s.NetworkMode = ""
		}
	}
	s.Networks = spec.Remove(s.Networks, keys, func(a api.NetworkAttachment) string { return a.Network })
	return nil
}

package containerd

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// initPath is where the init program is in a container that wants one.
const initPath = "/sbin/orc-init"

// blueprint is all that a container's OCI spec is made of. Making it does no I/O
// but reading the host's devices.
type blueprint struct {
	runtime.Spec
	image  *imageInfo
	users  *users
	host   host
	init   string // the init program, on the host
	mounts []specs.Mount
}

// build makes the OCI spec: containerd's default, changed to be Docker's default
// (moby oci/defaults.go), and what the container wants.
func (b *blueprint) build() (*specs.Spec, error) {
	ctx := namespaces.WithNamespace(context.Background(), namespace)
	record := &containers.Container{ID: b.ID}
	s, err := oci.GenerateSpec(ctx, nil, record, oci.WithoutRunMount, oci.WithDefaultUnixDevices)
	if err != nil {
		return nil, fmt.Errorf("make spec: %w", err)
	}
	s.Linux.CgroupsPath = cgroupPath(b.ID)
	s.Root.Readonly = b.Container.ReadOnly
	for _, step := range []func(*specs.Spec) error{
		b.process, b.namespaces, b.resources, b.mount, b.devices, b.security,
	} {
		if err := step(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// process says what runs, as whom and with what environment.
func (b *blueprint) process(s *specs.Spec) error {
	p, c := s.Process, b.Container
	p.Args = runtime.CommandLine(b.image.config, c)
	if len(p.Args) == 0 {
		return fmt.Errorf("%w: image %s names no command: give one", runtime.ErrRejected, b.Image.Name)
	}
	if c.Init != nil && *c.Init {
		p.Args = append([]string{initPath, "--"}, p.Args...)
	}
	who := c.User
	if who == "" {
		who = b.image.config.User
	}
	var err error
	if p.User, err = b.users.resolve(who, c.Groups); err != nil {
		return err
	}
	p.Terminal = c.TTY
	p.Cwd = "/"
	if dir := orElse(c.Dir, b.image.config.Dir); dir != "" {
		p.Cwd = path.Join("/", dir)
	}
	p.Env = environment(b.image.config.Env, c.Env, b.hostname(), c.TTY)
	score := c.OOMScoreAdj // said even when 0: the shim's own would be inherited
	p.OOMScoreAdj = &score
	p.Rlimits = nil // the daemon's, as Docker does
	for _, limit := range c.Ulimits {
		p.Rlimits = append(p.Rlimits, specs.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(limit.Name), Soft: unlimited(limit.Soft), Hard: unlimited(limit.Hard),
		})
	}
	return nil
}

func unlimited(limit int64) uint64 {
	if limit < 0 {
		return ^uint64(0)
	}
	return uint64(limit)
}

// hostname is what the container calls itself.
func (b *blueprint) hostname() string {
	return orElse(b.Network.Hostname, orElse(b.Container.Hostname, b.ID[:min(12, len(b.ID))]))
}

// environment merges the image's variables with the container's: the latter win,
// and one without "=" takes the image's away.
func environment(image, container []string, hostname string, tty bool) []string {
	merged := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=" + hostname}
	if tty {
		merged = append(merged, "TERM=xterm")
	}
	for _, variable := range slices.Concat(image, container) {
		name, _, given := strings.Cut(variable, "=")
		at := slices.IndexFunc(merged, func(each string) bool { return strings.HasPrefix(each, name+"=") })
		switch {
		case !given && at >= 0:
			merged = slices.Delete(merged, at, at+1)
		case given && at >= 0:
			merged[at] = variable
		case given:
			merged = append(merged, variable)
		}
	}
	return merged
}

// namespaces says what the container shares with the host.
func (b *blueprint) namespaces(s *specs.Spec) error {
	s.Hostname, s.Domainname = b.hostname(), b.Container.Domainname
	drop := func(kind specs.LinuxNamespaceType) {
		s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
	}
	switch b.Network.Mode {
	case "host":
		drop(specs.NetworkNamespace)
	case "none":
	case "namespace":
		drop(specs.NetworkNamespace)
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: b.Network.Namespace})
	default:
		return api.Invalidf("container %s: network mode %q: want host, none or namespace", b.ID, b.Network.Mode)
	}
	if b.Container.PidMode == "host" {
		drop(specs.PIDNamespace)
	}
	if b.Container.IpcMode == "host" {
		drop(specs.IPCNamespace)
	}
	if b.host.unified {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	s.Linux.Sysctl = map[string]string{}
	if b.Network.Mode != "host" { // what Docker lets everybody do in a namespace of its own
		if b.host.ports {
			s.Linux.Sysctl["net.ipv4.ip_unprivileged_port_start"] = "0"
		}
		if b.host.ping {
			s.Linux.Sysctl["net.ipv4.ping_group_range"] = "0 2147483647"
		}
	}
	for name, value := range b.Container.Sysctls {
		s.Linux.Sysctl[name] = value
	}
	return nil
}

// resources sets the limits. Docker gives twice the memory with swap.
func (b *blueprint) resources(s *specs.Spec) error {
	r, limits := s.Linux.Resources, b.Resources.Limits
	if limits.NanoCPUs > 0 {
		const period = 100_000 // microseconds
		quota, every := max(limits.NanoCPUs*period/1e9, 1000), uint64(period)
		r.CPU = &specs.LinuxCPU{Quota: &quota, Period: &every}
	}
	if limits.Memory > 0 {
		memory := limits.Memory
		r.Memory = &specs.LinuxMemory{Limit: &memory}
		if b.host.swapLimit {
			swap := 2 * memory
			r.Memory.Swap = &swap
		}
	}
	if limits.Pids > 0 {
		pids := limits.Pids
		r.Pids = &specs.LinuxPids{Limit: &pids}
	}
	return nil
}

func orElse(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}

package containerd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/cap"
	"github.com/containerd/containerd/v2/pkg/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// devices gives the container devices of the host.
func (b *blueprint) devices(s *specs.Spec) error {
	ctx, record := context.Background(), &containers.Container{ID: b.ID}
	if b.Container.Privileged {
		return oci.Compose(oci.WithHostDevices, oci.WithAllDevicesAllowed)(ctx, nil, record, s)
	}
	for _, device := range b.Container.Devices {
		add := oci.WithDevices(device.Source, orElse(device.Target, device.Source), orElse(device.Permissions, "rwm"))
		if err := add(ctx, nil, record, s); err != nil {
			return fmt.Errorf("%w: device %s: %w", runtime.ErrRejected, device.Source, err)
		}
	}
	return nil
}

// security sets capabilities, the system call filter and what is hidden. The
// default is Docker's.
func (b *blueprint) security(s *specs.Spec) error {
	options, err := parseSecurity(b.Container.SecurityOpts)
	if err != nil {
		return err
	}
	s.Process.NoNewPrivileges = options.noNewPrivileges
	if b.Container.Privileged {
		return oci.WithPrivileged(context.Background(), nil, &containers.Container{ID: b.ID}, s)
	}
	caps, err := capabilities(s.Process.Capabilities.Bounding, b.Container.CapAdd, b.Container.CapDrop)
	if err != nil {
		return err
	}
	setCapabilities(s.Process, caps)
	if !options.unconfined {
		s.Linux.Seccomp = seccomp.DefaultProfile(s)
	}
	return nil
}

// setCapabilities gives a process capabilities: one that is not root has none in
// force, but may get them by executing a file that has them.
func setCapabilities(p *specs.Process, caps []string) {
	p.Capabilities = &specs.LinuxCapabilities{Bounding: caps}
	if p.User.UID == 0 {
		p.Capabilities.Effective, p.Capabilities.Permitted = caps, caps
	}
}

// capabilities adds to and drops from a set. ALL stands for all of them; what is
// dropped by name is not added by ALL.
func capabilities(standard, add, drop []string) ([]string, error) {
	known := cap.Known()
	normal := func(names []string) (list []string, all bool, err error) {
		for _, name := range names {
			full := strings.ToUpper(name)
			if full == "ALL" {
				all = true
				continue
			}
			if !strings.HasPrefix(full, "CAP_") {
				full = "CAP_" + full
			}
			if !slices.Contains(known, full) {
				return nil, false, fmt.Errorf("%w: capability %q: no such capability", runtime.ErrRejected, name)
			}
			list = append(list, full)
		}
		return list, all, nil
	}
	added, addAll, err := normal(add)
	if err != nil {
		return nil, err
	}
	dropped, dropAll, err := normal(drop)
	if err != nil {
		return nil, err
	}
	caps := slices.Clone(standard)
	if dropAll {
		caps = nil
	}
	if addAll {
		if caps, err = cap.Current(); err != nil {
			return nil, err
		}
	}
	caps = slices.DeleteFunc(caps, func(each string) bool { return slices.Contains(dropped, each) })
	for _, each := range added {
		if !slices.Contains(caps, each) {
			caps = append(caps, each)
		}
	}
	return caps, nil
}

type securityOptions struct{ noNewPrivileges, unconfined bool }

// parseSecurity reads Docker's --security-opt. What this host has no means for
// (AppArmor and SELinux profiles) is refused unless it is to be off.
func parseSecurity(options []string) (o securityOptions, err error) {
	for _, option := range options {
		name, value, _ := strings.Cut(strings.Replace(option, ":", "=", 1), "=")
		switch {
		case name == "no-new-privileges" && (value == "" || value == "true"):
			o.noNewPrivileges = true
		case name == "no-new-privileges" && value == "false":
		case name == "seccomp" && value == "unconfined":
			o.unconfined = true
		case name == "seccomp" && value == "builtin":
		case name == "apparmor" && value == "unconfined", name == "label" && value == "disable":
		default:
			return o, api.Invalidf("security option %q: want no-new-privileges or seccomp=unconfined", option)
		}
	}
	return o, nil
}

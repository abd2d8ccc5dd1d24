package containerd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// mount lays out the container's file systems: containerd's default ones, the
// container's own files and at last what the user wants, in the order of their
// depth, so that none hides another.
func (b *blueprint) mount(s *specs.Spec) error {
	s.Mounts = append(s.Mounts, specs.Mount{
		Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"},
	})
	for i := range s.Mounts {
		switch m := &s.Mounts[i]; {
		case m.Destination == "/dev/shm" && b.Container.IpcMode == "host":
			*m = specs.Mount{Destination: m.Destination, Type: "bind", Source: m.Destination, Options: []string{"rbind", "nosuid", "noexec", "nodev"}}
		case m.Destination == "/dev/shm" && b.Container.ShmSize > 0:
			m.Options = []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", b.Container.ShmSize)}
		case m.Destination == "/dev/mqueue" && b.Container.IpcMode == "host":
			*m = specs.Mount{Destination: m.Destination, Type: "bind", Source: m.Destination, Options: []string{"rbind", "nosuid", "noexec", "nodev"}}
		}
	}
	own := slices.Clone(b.mounts)
	if b.Container.Init != nil && *b.Container.Init {
		own = append(own, specs.Mount{Destination: initPath, Type: "bind", Source: b.init, Options: []string{"bind", "ro", "rprivate"}})
	}
	slices.SortStableFunc(own, func(x, y specs.Mount) int { return depth(x.Destination) - depth(y.Destination) })
	for i, m := range own {
		hides := func(other specs.Mount) bool { return path.Clean(other.Destination) == path.Clean(m.Destination) }
		if slices.ContainsFunc(own[i+1:], hides) {
			continue // an earlier one of the same place gives way
		}
		s.Mounts = append(slices.DeleteFunc(s.Mounts, hides), m)
		propagate(s, m.Options)
	}
	return nil
}

func depth(destination string) int { return strings.Count(path.Clean(destination), "/") }

// propagate makes the root propagate as far as one of its mounts is to.
func propagate(s *specs.Spec, options []string) {
	for _, option := range options {
		switch option {
		case "shared", "rshared":
			s.Linux.RootfsPropagation = "rshared"
		case "slave", "rslave":
			if s.Linux.RootfsPropagation == "" {
				s.Linux.RootfsPropagation = "rslave"
			}
		}
	}
}

// mountOf turns a wish into a mount. source is the directory of a volume.
func mountOf(m api.Mount, source string) (specs.Mount, error) {
	if !path.IsAbs(m.Target) {
		return specs.Mount{}, fmt.Errorf("%w: mount target %q is no absolute path", runtime.ErrRejected, m.Target)
	}
	made := specs.Mount{Destination: m.Target, Type: "bind", Source: source}
	switch m.Type {
	case api.MountTmpfs:
		made.Type, made.Source = "tmpfs", "tmpfs"
		made.Options = []string{"nosuid", "nodev", "noexec"}
		if m.TmpfsSize > 0 {
			made.Options = append(made.Options, fmt.Sprintf("size=%d", m.TmpfsSize))
		}
		mode := fs.FileMode(0o1777)
		if m.TmpfsMode != 0 {
			mode = m.TmpfsMode
		}
		made.Options = append(made.Options, fmt.Sprintf("mode=%o", uint32(mode)&0o7777))
	case api.MountBind, api.MountVolume:
		made.Options = []string{"rbind", orElse(m.Propagation, "rprivate")}
	default:
		return specs.Mount{}, api.Invalidf("mount %s: type %q: want bind, volume or tmpfs", m.Target, m.Type)
	}
	if m.ReadOnly {
		made.Options = append(made.Options, "ro")
	}
	return made, nil
}

// bindSource makes sure that what is to be bound exists.
func bindSource(m api.Mount) error {
	if !path.IsAbs(m.Source) {
		return fmt.Errorf("%w: bind source %q is no absolute path", runtime.ErrRejected, m.Source)
	}
	_, err := os.Stat(m.Source)
	if errors.Is(err, fs.ErrNotExist) && m.CreateSource {
		err = os.MkdirAll(m.Source, 0o755)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: bind source %s does not exist on this node", runtime.ErrRejected, m.Source)
	}
	return err
}

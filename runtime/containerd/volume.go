package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/mount"
	copies "github.com/containerd/continuity/fs"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

const (
	volumeData    = "_data"
	volumeOptions = "options.json"
	newVolume     = ".new-"
)

var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// uses counts the volumes of containers that are being created: they are in use
// before containerd knows.
type uses struct {
	mu     sync.Mutex
	counts map[string]int
}

func (u *uses) hold(names []string) (release func()) {
	u.add(names, 1)
	return func() { u.add(names, -1) }
}

func (u *uses) add(names []string, change int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.counts == nil {
		u.counts = map[string]int{}
	}
	for _, name := range names {
		if u.counts[name] += change; u.counts[name] == 0 {
			delete(u.counts, name)
		}
	}
}

func (u *uses) held(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.counts[name] > 0
}

// volumesOf adds to a container's mounts the anonymous volumes that its image
// declares, and lists the named volumes among them.
func volumesOf(spec runtime.Spec, image runtime.ImageConfig) (mounts []api.Mount, named []string) {
	mounts = slices.Clone(spec.Container.Mounts)
	for _, target := range image.Volumes {
		covered := slices.ContainsFunc(mounts, func(m api.Mount) bool { return filepath.Clean(m.Target) == filepath.Clean(target) })
		if !covered {
			mounts = append(mounts, api.Mount{Type: api.MountVolume, Target: target})
		}
	}
	for _, m := range mounts {
		if m.Type == api.MountVolume && m.Source != "" && !slices.Contains(named, m.Source) {
			named = append(named, m.Source)
		}
	}
	return mounts, named
}

// volumePath is where a mount's volume is; i is the mount's place in the list.
func (r *Runtime) volumePath(id string, i int, m api.Mount) string {
	if m.Source == "" {
		return filepath.Join(r.layout.state(id), strconv.Itoa(i), volumeData)
	}
	return filepath.Join(r.layout.volumes(), m.Source, volumeData)
}

// ensureVolume makes a mount's volume if it does not exist, filled from the image
// as Docker does, and mounts what its options say. It returns what to bind.
func (r *Runtime) ensureVolume(ctx context.Context, id string, i int, m api.Mount, info *imageInfo) (string, error) {
	data := r.volumePath(id, i, m)
	if m.Source != "" && !volumeName.MatchString(m.Source) {
		return "", api.Invalidf("volume %q: want letters, digits, '.', '_' and '-'", m.Source)
	}
	defer r.locks.lock("volume " + data)()
	if !exists(data) {
		if err := r.makeVolume(ctx, data, m, info); err != nil {
			return "", fmt.Errorf("make volume %s: %w", orElse(m.Source, m.Target), err)
		}
	}
	mounted, err := mountVolume(filepath.Dir(data))
	if err != nil {
		return "", fmt.Errorf("mount volume %s: %w", m.Source, err)
	}
	if mounted && !m.NoCopy {
		if err := r.fillEmpty(ctx, data, m.Target, info); err != nil {
			return "", fmt.Errorf("fill volume %s from the image (volume-nocopy leaves it empty): %w", m.Source, err)
		}
	}
	if m.Subpath == "" {
		return data, nil
	}
	within, err := copies.RootPath(data, m.Subpath)
	if err != nil {
		return "", fmt.Errorf("volume %s: subpath %s: %w", m.Source, m.Subpath, err)
	}
	if !exists(within) {
		return "", fmt.Errorf("%w: volume %s has no %s", runtime.ErrRejected, m.Source, m.Subpath)
	}
	return within, nil
}

// makeVolume fills a directory apart and renames it, so that a volume is there
// with everything or not at all.
func (r *Runtime) makeVolume(ctx context.Context, data string, m api.Mount, info *imageInfo) error {
	dir := filepath.Dir(data)
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), newVolume)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := os.Chmod(temporary, 0o701); err != nil {
		return err
	}
	filling := filepath.Join(temporary, volumeData)
	if err := os.Mkdir(filling, 0o755); err != nil {
		return err
	}
	if len(m.Options) > 0 {
		options, err := json.Marshal(m.Options)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(temporary, volumeOptions), options, 0o600); err != nil {
			return err
		}
	} else if !m.NoCopy {
		if err := r.fill(ctx, filling, m.Target, info); err != nil {
			return err
		}
	}
	return os.Rename(temporary, dir)
}

// fillEmpty fills what was just mounted, unless it has anything: another node may
// have filled it before.
func (r *Runtime) fillEmpty(ctx context.Context, data, target string, info *imageInfo) error {
	entries, err := os.ReadDir(data)
	if err != nil || len(entries) > 0 {
		return err
	}
	return r.fill(ctx, data, target, info)
}

// fill copies what an image has at a path: files, owners, modes.
func (r *Runtime) fill(ctx context.Context, to, target string, info *imageInfo) error {
	return r.inImage(ctx, info, func(root string) error {
		from, err := copies.RootPath(root, target)
		if err != nil {
			return err
		}
		stat, err := os.Stat(from)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !stat.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		return copies.CopyDir(to, from)
	})
}

// mountVolume mounts what a volume's options say, unless that is done, and tells
// whether it did.
func mountVolume(dir string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, volumeOptions))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var options map[string]string
	if err := json.Unmarshal(text, &options); err != nil {
		return false, err
	}
	data := filepath.Join(dir, volumeData)
	if mounted, err := mountinfo.Mounted(data); mounted || err != nil {
		return false, err
	}
	m, err := parseVolumeOptions(options, net.LookupHost)
	if err != nil {
		return false, err
	}
	return true, explainMount(m, m.Mount(data))
}

// explainMount leaves the options out, for they may have a password in them.
func explainMount(m mount.Mount, err error) error {
	var why unix.Errno
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("this node's kernel cannot mount the type %s: its module may be missing", m.Type)
	case errors.As(err, &why):
		return fmt.Errorf("%s of type %s: %w", m.Source, m.Type, why)
	}
	return err
}

// parseVolumeOptions reads Docker's options of a local volume: type, o, device.
func parseVolumeOptions(options map[string]string, lookup func(string) ([]string, error)) (mount.Mount, error) {
	m := mount.Mount{Type: options["type"], Source: options["device"]}
	for name := range options {
		if name != "type" && name != "o" && name != "device" {
			return m, api.Invalidf("volume option %q: want type, o or device", name)
		}
	}
	if m.Type == "" {
		return m, api.Invalidf("volume options: type is missing")
	}
	for _, option := range strings.Split(options["o"], ",") {
		if option == "" {
			continue
		}
		// The kernel wants an NFS server's address, people write its name.
		if server, named := strings.CutPrefix(option, "addr="); named && strings.HasPrefix(m.Type, "nfs") && net.ParseIP(server) == nil {
			addresses, err := lookup(server)
			if err != nil || len(addresses) == 0 {
				return m, fmt.Errorf("server %s: %w", server, err)
			}
			option = "addr=" + addresses[0]
		}
		m.Options = append(m.Options, option)
	}
	return m, addServer(&m, lookup)
}

// addServer tells the kernel the address of an NFS server that is named in the device
// only, as mount.nfs(8) does.
func addServer(m *mount.Mount, lookup func(string) ([]string, error)) error {
	server, _, found := strings.Cut(m.Source, ":/")
	told := slices.ContainsFunc(m.Options, func(option string) bool { return strings.HasPrefix(option, "addr=") })
	if !strings.HasPrefix(m.Type, "nfs") || !found || server == "" || told {
		return nil
	}
	address := strings.Trim(server, "[]")
	if net.ParseIP(address) == nil {
		addresses, err := lookup(server)
		if err != nil || len(addresses) == 0 {
			return fmt.Errorf("server %s: %w", server, err)
		}
		address = addresses[0]
	}
	m.Options = append(m.Options, "addr="+address)
	return nil
}

// unmountVolume undoes mountVolume.
func unmountVolume(dir string) error {
	if !exists(filepath.Join(dir, volumeOptions)) {
		return nil
	}
	err := unix.Unmount(filepath.Join(dir, volumeData), 0)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil // not mounted
	}
	return err
}

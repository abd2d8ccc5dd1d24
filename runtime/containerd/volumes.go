package containerd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// ListVolumes implements runtime.Volumes.
func (r *Runtime) ListVolumes(ctx context.Context) ([]runtime.Volume, error) {
	used, err := r.usedVolumes(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(r.layout.volumes())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	list := []runtime.Volume{}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !volumeName.MatchString(entry.Name()) {
			continue // just removed, or being made
		}
		list = append(list, runtime.Volume{
			Name: entry.Name(), Created: info.ModTime(), InUse: used[entry.Name()] || r.uses.held(entry.Name()),
		})
	}
	return list, nil
}

// VolumeSize implements runtime.Volumes.
func (r *Runtime) VolumeSize(ctx context.Context, name string) (int64, error) {
	dir := filepath.Join(r.layout.volumes(), name)
	if !volumeName.MatchString(name) || !exists(dir) {
		return 0, noVolume(name)
	}
	return diskUsage(ctx, dir)
}

func noVolume(name string) error {
	return api.NotFoundf("volume %s: no such volume on this node", name)
}

// RemoveVolume implements runtime.Volumes. What a volume's options mount is
// unmounted, not deleted.
func (r *Runtime) RemoveVolume(ctx context.Context, name string) error {
	dir := filepath.Join(r.layout.volumes(), name)
	if !volumeName.MatchString(name) || !exists(dir) {
		return noVolume(name)
	}
	defer r.locks.lock("volume " + filepath.Join(dir, volumeData))()
	used, err := r.usedVolumes(ctx)
	if err != nil {
		return err
	}
	if used[name] || r.uses.held(name) {
		return api.Conflictf("volume %s is in use: remove its containers first", name)
	}
	if err := unmountVolume(dir); err != nil {
		return fmt.Errorf("unmount volume %s: %w", name, err)
	}
	doomed := filepath.Join(r.layout.volumes(), newVolume+name)
	if err := os.Rename(dir, doomed); err != nil { // gone at once, whatever happens
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return os.RemoveAll(doomed)
}

// usedVolumes are the named volumes of all containers.
func (r *Runtime) usedVolumes(ctx context.Context) (map[string]bool, error) {
	records, err := r.client.ContainerService().List(ctx)
	if err != nil {
		return nil, explain("list containers", err)
	}
	used := map[string]bool{}
	for _, record := range records {
		if m, err := readMeta(record); err == nil {
			for _, name := range m.Volumes {
				used[name] = true
			}
		}
	}
	return used, nil
}

// releaseVolumes unmounts the volumes that a removed container was the last to use.
func (r *Runtime) releaseVolumes(ctx context.Context, names []string) error {
	var mounted []string
	for _, name := range names {
		if exists(filepath.Join(r.layout.volumes(), name, volumeOptions)) {
			mounted = append(mounted, name)
		}
	}
	if len(mounted) == 0 {
		return nil
	}
	used, err := r.usedVolumes(ctx)
	if err != nil {
		return err
	}
	for _, name := range mounted {
		dir := filepath.Join(r.layout.volumes(), name)
		unlock := r.locks.lock("volume " + filepath.Join(dir, volumeData))
		if !used[name] && !r.uses.held(name) {
			err = errors.Join(err, unmountVolume(dir))
		}
		unlock()
	}
	return err
}

// sweepVolumes removes what a crash left half-made.
func (r *Runtime) sweepVolumes() error {
	entries, err := os.ReadDir(r.layout.volumes())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), newVolume) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(r.layout.volumes(), entry.Name())))
		}
	}
	return err
}

// diskUsage sums a directory's blocks, on its own file system only.
func diskUsage(ctx context.Context, dir string) (int64, error) {
	var top unix.Stat_t
	if err := unix.Lstat(dir, &top); err != nil {
		return 0, nil // just removed
	}
	var size int64
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		var stat unix.Stat_t
		if err != nil || unix.Lstat(path, &stat) != nil {
			return ctx.Err() // it changes while we look
		}
		if stat.Dev != top.Dev {
			return fs.SkipDir
		}
		size += stat.Blocks * 512
		return ctx.Err()
	})
	return size, err
}

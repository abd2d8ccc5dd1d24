package fake

import (
	"context"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// ListVolumes implements runtime.Volumes.
func (r *Runtime) ListVolumes(ctx context.Context) ([]runtime.Volume, error) {
	if err := r.enter(ctx, "ListVolumes"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	list := make([]runtime.Volume, 0, len(r.volumes))
	for _, name := range sorted(r.volumes) {
		volume := r.volumes[name]
		volume.InUse = r.inUse(name)
		list = append(list, volume)
	}
	return list, nil
}

// VolumeSize implements runtime.Volumes: a fake volume is empty.
func (r *Runtime) VolumeSize(ctx context.Context, name string) (int64, error) {
	if err := r.enter(ctx, "VolumeSize"); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	if _, found := r.volumes[name]; !found {
		return 0, api.NotFoundf("volume %s: no such volume on this node", name)
	}
	return 0, nil
}

// RemoveVolume implements runtime.Volumes.
func (r *Runtime) RemoveVolume(ctx context.Context, name string) error {
	if err := r.enter(ctx, "RemoveVolume"); err != nil {
		return err
	}
	defer r.mu.Unlock()
	if _, found := r.volumes[name]; !found {
		return api.NotFoundf("volume %s: no such volume on this node", name)
	}
	if r.inUse(name) {
		return api.Conflictf("volume %s is in use: remove its containers first", name)
	}
	delete(r.volumes, name)
	return nil
}

// use makes the named volumes among the mounts. The lock is held.
func (r *Runtime) use(mounts []api.Mount) {
	for _, mount := range mounts {
		if mount.Type != api.MountVolume || mount.Source == "" {
			continue
		}
		if _, found := r.volumes[mount.Source]; !found {
			r.volumes[mount.Source] = runtime.Volume{Name: mount.Source, Created: time.Now()}
		}
	}
}

func (r *Runtime) inUse(name string) bool {
	for _, c := range r.containers {
		for _, mount := range c.spec.Container.Mounts {
			if mount.Type == api.MountVolume && mount.Source == name {
				return true
			}
		}
	}
	return false
}

package compose

import (
	"io/fs"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/orc-project/orc/api"
)

func (c *converter) mounts(s types.ServiceConfig) []api.Mount {
	var found []api.Mount
	for i, v := range s.Volumes {
		if mount, fine := c.mount("volumes."+strconv.Itoa(i), v); fine {
			found = append(found, mount)
		}
	}
	for _, entry := range s.Tmpfs {
		target, options, _ := strings.Cut(entry, ":")
		mount := api.Mount{Type: api.MountTmpfs, Target: target}
		for _, option := range strings.Split(options, ",") {
			c.tmpfsOption(&mount, option)
		}
		found = append(found, mount)
	}
	return found
}

func (c *converter) tmpfsOption(mount *api.Mount, option string) {
	name, value, _ := strings.Cut(option, "=")
	var err error
	switch name {
	case "", "rw", "noexec", "nosuid", "nodev": // a tmpfs is so anyway
	case "ro":
		mount.ReadOnly = true
	case "size":
		mount.TmpfsSize, err = units.RAMInBytes(value)
	case "mode":
		var mode uint64
		mode, err = strconv.ParseUint(value, 8, 12)
		mount.TmpfsMode = fs.FileMode(mode)
	default:
		c.add("tmpfs", "option %q: use size, mode and ro", option)
	}
	if err != nil {
		c.add("tmpfs", "option %q: want something like size=64m and mode=1777", option)
	}
}

func (c *converter) mount(key string, v types.ServiceVolumeConfig) (api.Mount, bool) {
	mount := api.Mount{Type: api.MountType(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly}
	switch v.Type {
	case types.VolumeTypeBind, types.VolumeTypeVolume, types.VolumeTypeTmpfs:
	default:
		c.add(key, "type %q: use bind, volume or tmpfs", v.Type)
		return mount, false
	}
	if bind := v.Bind; bind != nil {
		if v.Type != types.VolumeTypeBind {
			c.add(key, "bind options are for type bind, and this is %s", v.Type)
		}
		mount.Propagation = bind.Propagation
		mount.CreateSource = bool(bind.CreateHostPath)
		if bind.SELinux != "" {
			c.warn(key, "orc does not relabel for SELinux")
		}
	}
	if volume := v.Volume; volume != nil && v.Type == types.VolumeTypeVolume {
		mount.NoCopy, mount.Subpath = volume.NoCopy, volume.Subpath
	}
	if tmpfs := v.Tmpfs; tmpfs != nil {
		if v.Type != types.VolumeTypeTmpfs {
			c.add(key, "tmpfs options are for type tmpfs, and this is %s", v.Type)
		}
		mount.TmpfsSize = int64(tmpfs.Size)
		if tmpfs.Mode > 0o7777 {
			c.add(key, "tmpfs mode %o: use permission bits such as 1777", tmpfs.Mode)
		}
		mount.TmpfsMode = fs.FileMode(tmpfs.Mode & 0o7777)
	}
	return mount, true
}

func fileMode(mode types.FileMode) fs.FileMode { return fs.FileMode(mode) }

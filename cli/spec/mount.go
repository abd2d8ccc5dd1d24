package spec

import (
	"io/fs"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/orc-project/orc/api"
)

// Mount reads Docker's --mount: type=volume,source=data,target=/data,readonly, …
func Mount(text string) (api.Mount, error) {
	mount := api.Mount{Type: api.MountVolume}
	fields, err := pairs("mount", text)
	if err != nil {
		return mount, err
	}
	for _, field := range fields {
		if err := setMount(&mount, text, field); err != nil {
			return mount, err
		}
	}
	return mount, checkMount(&mount, text)
}

func setMount(mount *api.Mount, text string, field pair) (err error) {
	what := "mount " + strconv.Quote(text)
	switch field.key {
	case "type":
		mount.Type = api.MountType(strings.ToLower(field.value))
	case "source", "src":
		mount.Source = field.value
	case "target", "dst", "destination":
		mount.Target = field.value
	case "readonly", "ro":
		mount.ReadOnly, err = field.flag(what)
	case "bind-propagation":
		mount.Propagation = field.value
	case "bind-create-src":
		mount.CreateSource, err = field.flag(what)
	case "volume-nocopy":
		mount.NoCopy, err = field.flag(what)
	case "volume-subpath":
		mount.Subpath = field.value
	case "volume-driver":
		if field.value != "local" {
			err = api.Invalidf("%s: volume driver %q: orc has only local", what, field.value)
		}
	case "volume-opt":
		key, value, found := strings.Cut(field.value, "=")
		if !found || key == "" {
			return api.Invalidf("%s: volume-opt %q: want volume-opt=key=value", what, field.value)
		}
		if mount.Options == nil {
			mount.Options = make(map[string]string)
		}
		mount.Options[key] = value
	case "tmpfs-size":
		mount.TmpfsSize, err = units.RAMInBytes(field.value)
		if err != nil || mount.TmpfsSize < 0 {
			err = api.Invalidf("%s: tmpfs-size %q: want something like 64m", what, field.value)
		}
	case "tmpfs-mode":
		mount.TmpfsMode, err = mode(what+": tmpfs-mode", field.value)
	case "consistency": // of Docker Desktop; means nothing on Linux
	default:
		err = api.Invalidf("%s: %q is not known: use type, source, target, readonly, bind-propagation, bind-create-src, volume-nocopy, volume-subpath, volume-opt, tmpfs-size or tmpfs-mode", what, field.key)
	}
	return err
}

func checkMount(mount *api.Mount, text string) error {
	what := "mount " + strconv.Quote(text)
	switch {
	case mount.Target == "":
		return api.Invalidf("%s: target=/PATH is missing", what)
	case mount.Type == api.MountBind && mount.Source == "":
		return api.Invalidf("%s: a bind needs source=/PATH", what)
	case mount.Type != api.MountBind && (mount.Propagation != "" || mount.CreateSource):
		return api.Invalidf("%s: bind-… is for type=bind, and this is %q", what, mount.Type)
	case mount.Type != api.MountVolume && (mount.NoCopy || mount.Subpath != "" || mount.Options != nil):
		return api.Invalidf("%s: volume-… is for type=volume, and this is %q", what, mount.Type)
	case mount.Type != api.MountTmpfs && (mount.TmpfsSize != 0 || mount.TmpfsMode != 0):
		return api.Invalidf("%s: tmpfs-… is for type=tmpfs, and this is %q", what, mount.Type)
	}
	return nil
}

// mode reads octal permission bits.
func mode(what, text string) (fs.FileMode, error) {
	bits, err := strconv.ParseUint(text, 8, 32)
	if err != nil || bits > 0o7777 {
		return 0, api.Invalidf("%s %q: want permissions in octal, as 0400", what, text)
	}
	return fs.FileMode(bits), nil
}

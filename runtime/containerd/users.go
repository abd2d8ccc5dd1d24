package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/orc-project/orc/runtime"
)

// maxUserFile bounds what is read of an image's /etc/passwd and /etc/group.
const maxUserFile = 4 << 20

// users are an image's or a running container's /etc/passwd and /etc/group.
type users struct{ passwd, group []byte }

// resolve turns name|uid[:group|gid] and more groups into numbers, as Docker does.
func (u *users) resolve(who string, groups []string) (specs.User, error) {
	found, err := user.GetExecUser(who, &user.ExecUser{}, bytes.NewReader(u.passwd), bytes.NewReader(u.group))
	if err != nil {
		return specs.User{}, fmt.Errorf("%w: user %q: %w", runtime.ErrRejected, who, err)
	}
	more, err := user.GetAdditionalGroups(groups, bytes.NewReader(u.group))
	if err != nil {
		return specs.User{}, fmt.Errorf("%w: groups %q: %w", runtime.ErrRejected, groups, err)
	}
	id := specs.User{UID: uint32(found.Uid), GID: uint32(found.Gid), AdditionalGids: []uint32{uint32(found.Gid)}}
	for _, gid := range append(found.Sgids, more...) {
		if uint32(gid) != id.GID {
			id.AdditionalGids = append(id.AdditionalGids, uint32(gid))
		}
	}
	return id, nil
}

// readUsers reads them from a directory's etc; what is not there is empty. No
// symbolic link leads out of the directory.
func readUsers(dir string) (*users, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var u users
	for name, to := range map[string]*[]byte{"etc/passwd": &u.passwd, "etc/group": &u.group} {
		file, err := root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		*to, err = io.ReadAll(io.LimitReader(file, maxUserFile))
		file.Close()
		if err != nil {
			return nil, err
		}
	}
	return &u, nil
}

// usersOf returns an image's users; they are read once.
func (r *Runtime) usersOf(ctx context.Context, info *imageInfo) (*users, error) {
	defer r.locks.lock("users " + info.chain)()
	if info.users != nil {
		return info.users, nil
	}
	err := r.inImage(ctx, info, func(root string) (err error) {
		info.users, err = readUsers(root)
		return err
	})
	return info.users, err
}

// inImage calls f with an image's files, mounted read-only.
func (r *Runtime) inImage(ctx context.Context, info *imageInfo, f func(root string) error) error {
	snapshotter, err := r.snapshotter(ctx)
	if err != nil {
		return err
	}
	ctx, release, err := r.lease(ctx)
	if err != nil {
		return err
	}
	defer release(false)
	key := "orc-view-" + randomName()
	mounts, err := snapshotter.View(ctx, key, info.chain)
	if err != nil {
		return err
	}
	err = mount.WithReadonlyTempMount(ctx, mounts, f)
	removed, cancel := detach(ctx)
	defer cancel()
	return errors.Join(err, snapshotter.Remove(removed, key))
}

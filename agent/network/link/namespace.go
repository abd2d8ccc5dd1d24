package link

import (
	"errors"
	"fmt"
	"os"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// makeDir makes the directory that namespaces are mounted in, a mount of its own so
// that they propagate nowhere. Copies that another mount namespace got when it was
// cloned go when the file they are mounted on is removed (Linux 3.18).
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	mounted, err := mountinfo.Mounted(dir)
	if err != nil {
		return fmt.Errorf("look for mounts at %s: %w", dir, err)
	}
	if !mounted {
		if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	if err := unix.Mount("", dir, "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mount %s private: %w", dir, err)
	}
	return nil
}

// openNamespace opens what is bound to path; os.ErrNotExist if that is no namespace:
// a file without its mount is what a crash or a boot leaves.
func openNamespace(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		unix.Close(fd)
		return -1, &os.PathError{Op: "open namespace", Path: path, Err: errors.Join(os.ErrNotExist, err)}
	}
	return fd, nil
}

// makeNamespace makes a network namespace, bound to path.
func makeNamespace(path string) (int, error) {
	fd := -1
	result := make(chan error, 1)
	onThread(func() {
		result <- func() (err error) {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("make a network namespace: %w", err)
			}
			own := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
			if fd, err = unix.Open(own, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
				return fmt.Errorf("open the new network namespace: %w", err)
			}
			return bindNamespace(fd, path)
		}()
	})
	err := <-result
	if err != nil && fd >= 0 {
		unix.Close(fd)
	}
	return fd, err
}

// bindNamespace binds a namespace to path, which keeps it while nobody is in it.
func bindNamespace(fd int, path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o400)
	if err != nil {
		return err
	}
	file.Close()
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("keep network namespace %s: %w", path, err)
	}
	return nil
}

// isNamespace says whether the namespace is what is bound to path.
func isNamespace(fd int, path string) bool {
	var own, bound unix.Stat_t
	return unix.Fstat(fd, &own) == nil && unix.Stat(path, &bound) == nil && own.Dev == bound.Dev && own.Ino == bound.Ino
}

// unbind gives up what is mounted at path, however often it is. The namespace ends
// when nobody is in it any more.
func unbind(path string) error {
	for {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			return nil // not mounted, or no more
		}
		if err != nil {
			return &os.PathError{Op: "unmount", Path: path, Err: err}
		}
	}
}

// removeNamespace unbinds a namespace and removes its file. One that is not there
// is no error.
func removeNamespace(path string) error {
	if err := unbind(path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

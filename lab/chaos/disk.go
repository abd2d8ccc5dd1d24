package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/sleep"
)

// diskSize is a node's disk: enough for a database and some images.
const diskSize = 1 << 30

// What can be asked of a file system (linux/fs.h, fs/ext4/ext4.h).
const (
	fiFreeze     = 0xc0045877
	fiThaw       = 0xc0045878
	ext4Shutdown = 0x8004587d
	noLogFlush   = 2
)

// disks are small file systems, one under each node's directory. They are made
// before the lab, so that it takes them for plain directories. Each is an ext4 on an
// image in memory: it can be frozen, and a power cut takes from it what was written
// and not synced. Where the machine has no loop devices it is memory, which can
// neither.
type disks struct {
	dir    string // the lab's
	images string // a directory in memory
	plain  bool   // there are no images
}

func disksOf(config Config) disks {
	return disks{filepath.Join(config.Dir, labName), filepath.Join(config.Dir, "disks"), loopDisks() != nil}
}

func (d disks) make(ctx context.Context, nodes int) error {
	if d.plain {
		return d.makePlain(nodes)
	}
	if err := os.MkdirAll(d.images, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("orc-chaos", d.images, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", (nodes+1)*diskSize)); err != nil {
		return fmt.Errorf("make memory for disks: %w", err)
	}
	for i := range nodes {
		node := fmt.Sprintf("n%d", i+1)
		image := d.image(node)
		err := errors.Join(os.MkdirAll(d.of(node), 0o700), os.WriteFile(image, nil, 0o600))
		if err == nil {
			err = os.Truncate(image, diskSize)
		}
		if err == nil {
			err = command(ctx, "mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard", image)
		}
		if err == nil {
			err = d.mount(ctx, node)
		}
		if err != nil {
			return fmt.Errorf("make the disk of %s: %w", node, err)
		}
	}
	return nil
}

func (d disks) makePlain(nodes int) error {
	for i := range nodes {
		path := d.of(fmt.Sprintf("n%d", i+1))
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		if err := unix.Mount("orc-chaos", path, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskSize)); err != nil {
			return fmt.Errorf("make the disk %s: %w", path, err)
		}
	}
	return nil
}

func (d disks) mount(ctx context.Context, node string) error {
	return command(ctx, "mount", "-t", "ext4", "-o", "loop,noatime", d.image(node), d.of(node))
}

// remove takes all disks away, also those of a run that crashed.
func (d disks) remove() error {
	paths, err := filepath.Glob(d.of("n*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range append(paths, d.images) {
		if err := ask(path, fiThaw, 0); err != nil && !notFrozen(err) {
			errs = append(errs, fmt.Errorf("remove the disk %s: %w", path, err))
		}
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("remove the disk %s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

// notFrozen says whether a thaw was refused because there is nothing to thaw.
func notFrozen(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) || errors.Is(err, fs.ErrNotExist)
}

// freeze lets everybody wait who writes to the node's disk.
func (d disks) freeze(node string) error {
	if err := ask(d.of(node), fiFreeze, 0); err != nil {
		return fmt.Errorf("freeze the disk of %s: %w", node, err)
	}
	return nil
}

// thaw lets them go on. A disk that is not frozen stays as it is.
func (d disks) thaw(node string) error {
	if err := ask(d.of(node), fiThaw, 0); err != nil && !notFrozen(err) {
		return fmt.Errorf("thaw the disk of %s: %w", node, err)
	}
	return nil
}

// lose takes from the disk of a node without any process what a power cut would: all
// that was not synced, and that the kernel has not written by itself.
func (d disks) lose(ctx context.Context, node string) error {
	if d.plain {
		return nil
	}
	if err := ask(d.of(node), ext4Shutdown, noLogFlush); err != nil {
		return fmt.Errorf("cut the power of the disk of %s: %w", node, err)
	}
	if err := unix.Unmount(d.of(node), 0); err != nil {
		return fmt.Errorf("unmount the disk of %s: %w", node, err)
	}
	if err := d.released(ctx, node); err != nil {
		return err
	}
	return d.mount(ctx, node)
}

// released waits until the kernel has let go of an image: another mount of it would
// share the dead file system.
func (d disks) released(ctx context.Context, node string) error {
	for {
		backing, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
		if err != nil {
			return err
		}
		held := false
		for _, file := range backing {
			text, err := os.ReadFile(file)
			held = held || err == nil && strings.TrimSpace(string(text)) == d.image(node)
		}
		if !held {
			return nil
		}
		if err := sleep.For(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("the disk of %s is still in use: %w", node, err)
		}
	}
}

// fill leaves the node next to no byte.
func (d disks) fill(node string) error {
	path := d.ballast(node)
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill the disk of %s: %w", node, err)
	}
	defer file.Close()
	var now unix.Statfs_t
	if err := unix.Statfs(path, &now); err != nil {
		return fmt.Errorf("fill the disk of %s: %w", node, err)
	}
	for size := int64(now.Bavail) * now.Bsize; size >= now.Bsize; {
		switch err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size); {
		case err == nil:
			return nil
		case !errors.Is(err, unix.ENOSPC):
			return fmt.Errorf("fill the disk of %s: %w", node, err)
		}
		size -= 1 << 20 // the node took some meanwhile
	}
	return nil
}

// free ends a fill.
func (d disks) free(node string) error { return os.Remove(d.ballast(node)) }

func (d disks) ballast(node string) string { return filepath.Join(d.of(node), "ballast") }

func (d disks) of(node string) string { return filepath.Join(d.dir, node) }

func (d disks) image(node string) string { return filepath.Join(d.images, node) }

// ask is an ioctl(2) about the file system at path.
func ask(path string, request uint, value int) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.IoctlSetPointerInt(int(dir.Fd()), request, value)
}

func command(ctx context.Context, name string, arguments ...string) error {
	if text, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(text)))
	}
	return nil
}

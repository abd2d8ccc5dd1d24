package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/lab"
)

// diskSize is a node's disk: enough for a database and some images.
const diskSize = 1 << 30

// disks are small file systems, in memory, one under each node's directory. They
// are made before the lab, so that it takes them for plain directories and a power
// cut leaves them as they are.
type disks struct{ dir string } // the lab's

func (d disks) make(nodes int) error {
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

// remove takes all disks away, also those of a run that crashed.
func (d disks) remove() error {
	paths, err := filepath.Glob(d.of("n*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range paths {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("remove the disk %s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

// fill leaves the node next to no byte.
func (d disks) fill(n *lab.Node) error {
	path := d.ballast(n)
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill the disk of %s: %w", n.Name(), err)
	}
	defer file.Close()
	var now unix.Statfs_t
	if err := unix.Statfs(path, &now); err != nil {
		return fmt.Errorf("fill the disk of %s: %w", n.Name(), err)
	}
	for size := int64(now.Bavail) * now.Bsize; size >= now.Bsize; {
		switch err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size); {
		case err == nil:
			return nil
		case !errors.Is(err, unix.ENOSPC):
			return fmt.Errorf("fill the disk of %s: %w", n.Name(), err)
		}
		size -= 1 << 20 // the node took some meanwhile
	}
	return nil
}

// free ends a fill.
func (d disks) free(n *lab.Node) error { return os.Remove(d.ballast(n)) }

func (d disks) ballast(n *lab.Node) string { return filepath.Join(d.of(n.Name()), "ballast") }

func (d disks) of(node string) string { return filepath.Join(d.dir, node) }

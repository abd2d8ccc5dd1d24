package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/sleep"
)

// runDir is where nodes keep what does not outlive a boot, each in a directory of
// its own whose file data-dir says whose it is.
const runDir = "/run/orc"

// forgetMemory removes what a real host would lose with its power: the node's part
// of runDir, with the mounts in it, and the containers' control groups.
func (n *Node) forgetMemory(ctx context.Context) error {
	owners, err := filepath.Glob(filepath.Join(runDir, "*", "data-dir"))
	if err != nil {
		return err
	}
	for _, owner := range owners {
		of, err := os.ReadFile(owner)
		if err != nil || !strings.HasPrefix(strings.TrimSpace(string(of))+"/", n.DataDir()+"/") {
			continue // another node's, or gone meanwhile
		}
		if err := forgetRun(ctx, filepath.Dir(owner)); err != nil {
			return err
		}
	}
	os.Remove(runDir) // only when it was the last one
	return unmountBelow(n.dir())
}

func forgetRun(ctx context.Context, dir string) error {
	bundles, err := filepath.Glob(filepath.Join(dir, "containerd/io.containerd.runtime.v2.task/*/*"))
	if err != nil {
		return err
	}
	for _, bundle := range bundles {
		if err := removeCgroups(ctx, filepath.Base(bundle)); err != nil {
			return err
		}
	}
	if err := unmountBelow(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// unmountBelow unmounts what is mounted at or below dir, the deepest first.
func unmountBelow(dir string) error {
	for range 10 { // a mount may lie over another
		points, err := mountsBelow(dir)
		if err != nil || len(points) == 0 {
			return err
		}
		for _, point := range points {
			if err := unix.Unmount(point, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("unmount %s: %w", point, err)
			}
		}
	}
	return fmt.Errorf("mounts below %s come back", dir)
}

func mountsBelow(dir string) ([]string, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var points []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		if strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	slices.Sort(points)
	slices.Reverse(points)
	return points, nil
}

// unescape undoes the octal escapes of proc_pid_mountinfo(5).
func unescape(field string) string {
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) {
			if code, err := strconv.ParseUint(field[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		b.WriteByte(field[i])
	}
	return b.String()
}

// cgroupTime is how long the kernel may take to empty a control group. On a machine
// that has more to do than it can it takes many seconds.
const cgroupTime = 30 * time.Second

// removeCgroups removes the control groups of a container, under every
// controller. The kernel takes a moment to empty one whose processes were killed.
func removeCgroups(ctx context.Context, container string) error {
	ctx, cancel := context.WithTimeout(ctx, cgroupTime)
	defer cancel()
	for _, pattern := range []string{"/sys/fs/cgroup/orc/", "/sys/fs/cgroup/*/orc/", "/sys/fs/cgroup/*/*/orc/"} {
		groups, err := filepath.Glob(pattern + container)
		if err != nil {
			return err
		}
		for _, group := range groups {
			for {
				err := os.Remove(group)
				if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) {
					break
				}
				if killed := killGroup(group); killed != nil {
					return killed
				}
				if waited := sleep.For(ctx, 20*time.Millisecond); waited != nil {
					return fmt.Errorf("remove %s: %w", group, err)
				}
			}
			os.Remove(filepath.Dir(group)) // only when it was the last one
		}
	}
	return nil
}

// killGroup ends what is still in a control group: a process that runc had just begun,
// and whose parent was killed before anybody saw whose child it is.
func killGroup(group string) error {
	list, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return nil // it is gone
	}
	for _, field := range strings.Fields(string(list)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return fmt.Errorf("read the processes of %s: %w", group, err)
		}
		if pid <= 0 {
			continue // it is in no namespace of ours, and 0 would mean ourselves
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill process %d of %s: %w", pid, group, err)
		}
	}
	return nil
}

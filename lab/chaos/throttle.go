package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/sleep"
)

// A throttled process has quota of every period of a core's time.
const quota, period = 10 * time.Millisecond, 100 * time.Millisecond

// controller is how a version of the kernel's control groups is told the quota: in
// which directory, and by which files.
type controller struct {
	dir   string
	files map[string]string
}

func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

var controllers = []controller{
	{"cpu", map[string]string{"cpu.cfs_period_us": micros(period), "cpu.cfs_quota_us": micros(quota)}},
	{"", map[string]string{"cpu.max": micros(quota) + " " + micros(period)}},
}

// throttle lets the kernel give a process, and all that it starts, no more than the
// quota until unthrottle.
func throttle(node string, pid int) error {
	if pid == 0 { // which would mean this process
		return fmt.Errorf("throttle %s: it does not run", node)
	}
	var errs []error
	for _, c := range controllers {
		err := c.throttle(node, pid)
		if err == nil {
			return nil
		}
		errs = append(errs, err, os.Remove(c.group(node)))
	}
	return fmt.Errorf("throttle %s: %w", node, errors.Join(errs...))
}

// allot makes a group that has the quota.
func (c controller) allot(node string) error {
	if err := os.Mkdir(c.group(node), 0o700); err != nil && !errors.Is(err, fs.ErrExist) { // which a run that was killed leaves
		return err
	}
	for name, text := range c.files {
		if err := write(filepath.Join(c.group(node), name), text); err != nil {
			return err
		}
	}
	return nil
}

func (c controller) group(node string) string {
	return filepath.Join(cgroups, c.dir, "orc-chaos-"+node)
}

func (c controller) throttle(node string, pid int) error {
	if err := c.allot(node); err != nil {
		return err
	}
	return write(filepath.Join(c.group(node), "cgroup.procs"), strconv.Itoa(pid))
}

// unthrottle gives the processes in the group what they want again.
func unthrottle(ctx context.Context, node string) error {
	for _, c := range controllers {
		if err := c.unthrottle(ctx, node); err != nil {
			return fmt.Errorf("end the throttling of %s: %w", node, err)
		}
	}
	return nil
}

// unthrottle moves processes out until the kernel says that there are none: some may
// have been started meanwhile, and some may take a moment to end.
func (c controller) unthrottle(ctx context.Context, node string) error {
	for {
		list, err := os.ReadFile(filepath.Join(c.group(node), "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, pid := range strings.Fields(string(list)) {
			if err := write(filepath.Join(cgroups, c.dir, "cgroup.procs"), pid); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		if err := os.Remove(c.group(node)); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err := sleep.For(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// write writes to a file of the kernel's.
func write(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

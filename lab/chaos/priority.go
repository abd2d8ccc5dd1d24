package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/sleep"
)

// cgroups is where the kernel's control groups are.
const cgroups = "/sys/fs/cgroup"

// niceness is that of the suite and its lab. Whoever else compiles or tests on the
// machine would let each of the hundred processes that take part in starting a
// container wait for its turn: what is judged then is the machine.
const niceness = -10

// goFirst gives this process niceness, and with it all that it starts from now on.
func goFirst() error {
	// Linux gives it to threads; those to come take it from those that there are.
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list this process's threads: %w", err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return fmt.Errorf("list this process's threads: %w", err)
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, niceness); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("set this process's priority: %w", err)
		}
	}
	return nil
}

// containerGroups are the weights of the control group that has all containers of all
// nodes, by file under the kernel's control groups: to the scheduler they are together
// one process of the many that the machine has, though each is started by some.
var containerGroups = map[string]struct{ most, normal string }{
	"cpu/orc/cpu.shares":         {"262144", "1024"},
	"cpu,cpuacct/orc/cpu.shares": {"262144", "1024"},
	"orc/cpu.weight":             {"10000", "100"},
}

// containersFirst gives all containers of the lab what they need of the cores until ctx
// ends. The group comes with the first of them and goes with the last.
func containersFirst(ctx context.Context, root string) error {
	for {
		if err := weigh(root, true); err != nil {
			return err
		}
		if sleep.For(ctx, weighEvery) != nil {
			return weigh(root, false)
		}
	}
}

const weighEvery = 200 * time.Millisecond

func weigh(root string, first bool) error {
	for name, weight := range containerGroups {
		text := weight.normal
		if first {
			text = weight.most
		}
		if err := write(filepath.Join(root, name), text); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("weigh the containers: %w", err)
		}
	}
	return nil
}

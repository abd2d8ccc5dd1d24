package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/orc-project/orc/runtime"
)

// adopt gives the containers that exist to their tasks, the newest of each. One of
// a task that is not assigned runs on until a manager has told what is: the file
// with the assignments may have been lost. The caller holds mu.
func (a *Agent) adopt(containers []runtime.Container) {
	for _, c := range containers {
		a.known(c.Task.Task).adopt(c)
	}
}

// known returns a task, or makes one of which nothing is known but its ID. The
// caller holds mu.
func (a *Agent) known(id string) *task {
	if t := a.tasks[id]; t != nil {
		return t
	}
	t := newTask(a, id)
	t.load()
	a.tasks[id] = t
	return t
}

// findLeftovers finds what a process that died had no time to remove: files and
// logs of tasks that are not assigned any more, which wait as adopt's containers
// do, and FIFOs without a container. The caller holds mu.
func (a *Agent) findLeftovers(containers []runtime.Container) {
	for _, dir := range []string{"tasks", "logs"} {
		for _, name := range a.list(dir) {
			if strings.HasPrefix(name, ".") {
				a.remove(filepath.Join(dir, name)) // written in part
				continue
			}
			a.known(name)
		}
	}
	exists := make(map[string]bool, len(containers))
	for _, c := range containers {
		exists[c.ID] = true
	}
	for _, name := range a.list("fifo") {
		if container, _, _ := strings.Cut(name, "."); !exists[container] {
			a.remove(filepath.Join("fifo", name))
		}
	}
}

func (a *Agent) list(dir string) []string {
	entries, err := os.ReadDir(filepath.Join(a.config.Dir, dir))
	if err != nil {
		a.log.Warn("leftovers cannot be looked for", zap.Error(err))
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

func (a *Agent) remove(path string) {
	if err := os.Remove(filepath.Join(a.config.Dir, path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		a.log.Warn("a leftover cannot be removed", zap.Error(err))
	}
}

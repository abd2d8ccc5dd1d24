package agent

import (
	"github.com/orc-project/orc/agent/housekeeping"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// needs are the images, volumes and logs of what is assigned: a task needs them
// also while it has no container, between two attempts.
func (a *Agent) needs() housekeeping.Needs {
	a.mu.Lock()
	defer a.mu.Unlock()
	needs := housekeeping.Needs{Images: make(map[string]bool), Volumes: make(map[string]bool), Tasks: make(map[string]bool)}
	for id, t := range a.tasks {
		t.mu.Lock()
		if t.container != nil {
			needs.Tasks[id] = true // what stops still writes
		}
		t.mu.Unlock()
	}
	for id, each := range a.set.Tasks {
		if !a.set.goal(id).makes() {
			continue
		}
		needs.Tasks[id] = true
		spec := a.set.Specs[each.SpecID()].Container
		if spec.Digest != "" {
			needs.Images[spec.Digest] = true
		} else if name, err := runtime.NormalName(spec.Image); err == nil {
			needs.Images[name] = true
		}
		for _, mount := range spec.Mounts {
			if mount.Type == api.MountVolume {
				needs.Volumes[mount.Source] = true
			}
		}
	}
	return needs
}

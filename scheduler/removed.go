package scheduler

import (
	"maps"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// removedFirst says which other removed service has to end before this one, or "":
// the services of an app end in the reverse of the order in which they start. The
// service is gone; what it was is in its specs. Those that depend on each other, which
// services do that changed one by one, would wait for each other for ever: they end
// together.
func (p *pass) removedFirst() string {
	own := p.lastSpec(p.id)
	if own == nil {
		return ""
	}
	for _, id := range slices.Sorted(maps.Keys(p.removed)) {
		other := p.lastSpec(id)
		if id == p.id || other == nil || !dependsOn(other, own) || !p.lives(id) || p.reaches(p.id, id) {
			continue
		}
		return "its service was removed; waits for " + other.Name + " to end"
	}
	return ""
}

// reaches says whether a removed service depends on another, be it by way of others
// that have still to end.
func (p *pass) reaches(from, to string) bool {
	specs := make(map[string]*api.ServiceSpec, len(p.removed))
	for id := range p.removed {
		if spec := p.lastSpec(id); spec != nil {
			specs[id] = spec
		}
	}
	seen := map[string]bool{from: true}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		for id, spec := range specs {
			if seen[id] || specs[next[0]] == nil || !dependsOn(specs[next[0]], spec) {
				continue
			}
			if id == to {
				return true
			}
			if seen[id] = true; p.lives(id) {
				next = append(next, id)
			}
		}
	}
	return false
}

func (p *pass) lastSpec(service string) *api.ServiceSpec {
	var last *api.Revision
	for revision := range store.Find[api.Revision](p.snapshot, store.ByService, service) {
		if last == nil || revision.Number > last.Number {
			last = revision
		}
	}
	if last == nil {
		return nil
	}
	return &last.Spec
}

// dependsOn says whether a service of an app depends on another of the same app;
// both are called APP_SERVICE.
func dependsOn(a, b *api.ServiceSpec) bool {
	return slices.ContainsFunc(a.DependsOn, func(d api.Dependency) bool {
		app, found := strings.CutSuffix(b.Name, "_"+d.Service)
		return found && strings.HasPrefix(a.Name, app+"_")
	})
}

// lives says whether tasks of a service have still to end on nodes that are there.
func (p *pass) lives(service string) bool {
	for task := range store.Find[api.Task](p.snapshot, store.ByService, service) {
		n := p.nodes.byID[task.Node]
		if n != nil && n.ready() && !ended(task, store.Get[api.TaskStatus](p.snapshot, task.ID)) {
			return true
		}
	}
	return false
}

package scheduler

import (
	"fmt"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// waitsFor says which service of its app this one waits for before its first task
// is placed, or "". Once one was placed it waits no more.
func (p *pass) waitsFor() string {
	if p.service == nil || len(p.revision.Spec.DependsOn) == 0 {
		return ""
	}
	for _, m := range p.members {
		if m.task.Node != "" {
			return ""
		}
	}
	for _, dependency := range p.revision.Spec.DependsOn {
		name := p.service.AppName + "_" + dependency.Service
		other := store.First[api.Service](p.snapshot, store.ByName, name)
		if other == nil || !p.met(other, dependency.Condition) {
			return fmt.Sprintf("waits for %s (%s)", name, dependency.Condition)
		}
	}
	return ""
}

// met says whether all tasks of a service are as far as the condition wants.
func (p *pass) met(service *api.Service, condition api.DependencyCondition) bool {
	count, met := 0, 0
	for task := range store.Find[api.Task](p.snapshot, store.ByService, service.ID) {
		if task.Desired != api.DesiredRun {
			continue
		}
		count++
		status := store.Get[api.TaskStatus](p.snapshot, task.ID)
		if status == nil {
			continue
		}
		switch status.State {
		case api.TaskComplete:
			met++
		case api.TaskRunning:
			if condition != api.DependencyCompleted {
				met++
			}
		case api.TaskStarting:
			if condition == api.DependencyStarted {
				met++
			}
		}
	}
	return met == count && (count > 0 || service.Replicas == 0)
}

// rememberWaiting keeps the service among those that other services of its app
// wake, as long as it waits.
func (p *pass) rememberWaiting() {
	app := p.service.App
	if app == "" {
		return
	}
	if p.waitsFor() == "" {
		delete(p.waiting[app], p.id)
		return
	}
	if p.waiting[app] == nil {
		p.waiting[app] = make(map[string]bool)
	}
	p.waiting[app][p.id] = true
}

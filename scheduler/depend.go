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
		if other == nil {
			return fmt.Sprintf("waits for %s (%s), which does not exist", name, dependency.Condition)
		}
		switch p.progress(other, dependency.Condition) {
		case failed:
			return fmt.Sprintf("waits for %s (%s), which failed", name, dependency.Condition)
		case unknown:
			return fmt.Sprintf("waits for %s (%s)", name, dependency.Condition)
		}
	}
	return ""
}

// progress says whether all tasks of a service are as far as the condition wants.
func (p *pass) progress(service *api.Service, condition api.DependencyCondition) outcome {
	revision := p.current(service)
	if revision == nil {
		return unknown
	}
	count, met := 0, 0
	for task := range store.Find[api.Task](p.snapshot, store.ByService, service.ID) {
		if task.Desired != api.DesiredRun {
			continue
		}
		count++
		status := store.Get[api.TaskStatus](p.snapshot, task.ID)
		switch {
		case status == nil:
		case meets(status.State, condition):
			met++
		case status.State == api.TaskFailed:
			return failed
		}
	}
	want := max(1, count)
	if !revision.Spec.Mode.Global() {
		want = max(service.Replicas, count)
	}
	if met < want {
		return unknown
	}
	return good
}

func meets(state api.TaskState, condition api.DependencyCondition) bool {
	switch state {
	case api.TaskComplete:
		return true
	case api.TaskRunning:
		return condition != api.DependencyCompleted
	case api.TaskStarting:
		return condition == api.DependencyStarted
	}
	return false
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

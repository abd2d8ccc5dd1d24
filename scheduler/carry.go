package scheduler

import (
	"fmt"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// carryOver takes tasks along to the current revision when it differs from theirs
// in nothing that a container has, such as how updates are paced: there is nothing
// to replace, as in Docker Swarm.
func (p *pass) carryOver() {
	same := make(map[int]bool)
	for _, s := range p.outdated() {
		m := s.holder
		if _, known := same[m.task.Revision]; !known {
			old := store.Get[api.Revision](p.snapshot, api.RevisionID(p.id, m.task.Revision))
			same[m.task.Revision] = old != nil && api.EqualSpec(ofTask(old.Spec), ofTask(p.revision.Spec))
		}
		if !same[m.task.Revision] || len(s.older) > 0 {
			continue
		}
		reason := fmt.Sprintf("revision %d changes nothing of it", p.service.Current)
		p.change(CarryTask, m, func(t *api.Task) { t.Revision = p.service.Current }, reason)
	}
}

// ofTask is the part of a spec that a task is made of.
func ofTask(spec api.ServiceSpec) api.ServiceSpec {
	spec.Replicas, spec.MaxConcurrent, spec.Schedule = nil, 0, ""
	spec.Update, spec.Rollback = api.UpdateConfig{}, api.UpdateConfig{}
	spec.DependsOn, spec.DrainDelay, spec.StopIsolated, spec.Container.PreStop = nil, nil, nil, nil
	spec.Placement.Rebalance = false
	return spec
}

package scheduler

import (
	"cmp"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// forget drops what is older than the history that is kept: ended tasks beyond
// api.TaskHistoryLimit per slot, and specs beyond api.RevisionHistoryLimit that no
// task and no way back needs.
func (p *pass) forget() {
	type key struct {
		number int
		node   string
	}
	past := make(map[key][]*member)
	for _, m := range p.members {
		switch {
		case !m.ended() || m.task.Desired == api.DesiredRun || m.task.Desired == api.DesiredReady:
		case m.task.Desired == api.DesiredRemove:
			p.forgetMember(m, m.task.Reason)
		default:
			at := key{number: m.task.Slot}
			if at.number == 0 {
				at.node = m.task.Node
			}
			past[at] = append(past[at], m)
		}
	}
	for _, m := range p.members { // in their order: the same view forgets the same way
		at := key{number: m.task.Slot}
		if at.number == 0 {
			at.node = m.task.Node
		}
		ended := past[at]
		if len(ended) <= api.TaskHistoryLimit {
			continue
		}
		slices.SortFunc(ended, func(a, b *member) int {
			return cmp.Or(a.task.Created.Compare(b.task.Created), cmp.Compare(a.task.ID, b.task.ID))
		})
		for _, old := range ended[:len(ended)-api.TaskHistoryLimit] {
			p.forgetMember(old, "older than the history that is kept")
		}
		delete(past, at)
	}
	p.forgetSpecs()
}

// forgetMember removes a task with its status. It was read from the snapshot or is
// changed by a step of this pass, which it then replaces.
func (p *pass) forgetMember(m *member, reason string) {
	before := store.Get[api.Task](p.snapshot, m.task.ID)
	p.drop(m.step)
	p.drop(m.lost)
	if before == nil {
		return // made and ended in one pass
	}
	forget := Step{Action: ForgetTask, Service: p.id, Before: before, Reason: reason}
	status := store.Get[api.TaskStatus](p.snapshot, m.task.ID)
	if status == nil { // a first one that is on its way would stay behind
		forget.Needs = &api.TaskStatus{Meta: api.Meta{ID: m.task.ID}}
	}
	p.steps = append(p.steps, forget)
	if status != nil {
		p.step(ForgetTask, status, nil, reason)
	}
}

func (p *pass) forgetSpecs() {
	used := map[int]bool{p.service.Current: true, p.service.Previous: true}
	var numbers []*api.Revision
	for revision := range store.Find[api.Revision](p.snapshot, store.ByService, p.id) {
		numbers = append(numbers, revision)
	}
	if len(numbers) <= api.RevisionHistoryLimit {
		return
	}
	for _, m := range p.members {
		used[m.task.Revision] = true
	}
	if rollout := store.Get[api.Rollout](p.snapshot, p.id); rollout != nil && rollout.Ended.IsZero() {
		used[rollout.From] = true
	}
	slices.SortFunc(numbers, func(a, b *api.Revision) int { return cmp.Compare(b.Number, a.Number) })
	for _, revision := range numbers[api.RevisionHistoryLimit:] {
		if !used[revision.Number] {
			// Whoever goes back to it meanwhile writes the service.
			p.steps = append(p.steps, Step{
				Action: ForgetSpec, Service: p.id, Before: revision, Needs: p.service, Reason: "older than the history that is kept",
			})
		}
	}
}

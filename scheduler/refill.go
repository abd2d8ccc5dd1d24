package scheduler

import (
	"cmp"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// refill replaces holders that ended by themselves. Restarts are the node's own
// business; this is for what the node gave up: it cannot run the task, was told to
// stop it by nobody who counts, or is gone.
func (p *pass) refill() {
	for _, s := range p.slots {
		m := s.holder
		if m == nil || !m.ended() {
			continue
		}
		switch p.next(m) {
		case never:
			continue
		case later:
			if at := p.retryAt(s); p.now.Before(at) {
				p.wakeAt(at)
				if !m.task.Retry.Equal(at) {
					p.change(ExplainTask, m, func(t *api.Task) { t.Retry = at }, "another task is tried after a pause")
				}
				continue
			}
		}
		p.retire(s, m, cmp.Or(m.status.Message, "it is "+string(m.state())))
		if s.holder == nil {
			p.fill(s, p.successorRevision(s), m.task.Iteration, p.whyNew(s))
		}
	}
}

// again says when a task that ended gets a successor.
type again int

const (
	never again = iota
	later       // with growing pauses
	atOnce
)

// next says whether the restart policy wants a task that ended to go on in another
// one: what had its attempts has had them.
func (p *pass) next(m *member) again {
	policy := p.revision.Spec.Restart
	limited := value(policy.MaxAttempts, 0) > 0
	switch m.state() {
	case api.TaskRejected:
		return later
	case api.TaskComplete:
		if policy.Condition == api.RestartAny && !limited {
			return later
		}
		return never
	case api.TaskFailed:
		if policy.Condition != api.RestartNone && !limited {
			return later
		}
		return never
	}
	return atOnce
}

// retryAt is when a task that ended gets a successor: the pause doubles with each
// one in a row, from the restart delay up to api.MaxRestartDelay.
func (p *pass) retryAt(s *slot) time.Time {
	delay := value(p.revision.Spec.Restart.Delay, api.Duration(api.DefaultRestartDelay)).Std()
	for _, m := range s.past {
		if m.task.Revision != s.holder.task.Revision || p.next(m) != later || delay >= api.MaxRestartDelay {
			break
		}
		delay *= 2
	}
	return p.since(s.holder).Add(min(delay, api.MaxRestartDelay))
}

// successorRevision is the revision that a slot's next task is of: the current
// one, but while a rollout is paused a slot that it has not come to stays where it
// was.
func (p *pass) successorRevision(s *slot) int {
	rollout := store.Get[api.Rollout](p.snapshot, p.id)
	newest := s.newestPast()
	if newest == nil || rollout == nil || rollout.To != p.service.Current {
		return p.service.Current
	}
	if rollout.State != api.RolloutPaused && rollout.State != api.RolloutRollbackPaused {
		return p.service.Current
	}
	if !p.canRevertTo(newest.task.Revision) {
		return p.service.Current
	}
	return newest.task.Revision
}

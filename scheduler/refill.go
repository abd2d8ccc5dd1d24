package scheduler

import (
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// refill replaces holders that ended by themselves, where the node could not do
// it: restarts are the node's own business, and what ended for good by its restart
// policy stays so.
func (p *pass) refill() {
	for _, s := range p.slots {
		m := s.holder
		if m == nil || !m.ended() {
			continue
		}
		switch m.state() {
		case api.TaskComplete, api.TaskFailed:
			continue
		case api.TaskRejected:
			if at := p.retryAt(s); p.now.Before(at) {
				p.wakeAt(at)
				continue
			}
		}
		reason := m.status.Message
		if reason == "" {
			reason = "it is " + string(m.state())
		}
		p.retire(s, m, reason)
		if s.holder == nil {
			p.create(s, p.successorRevision(s), m.task.Iteration, p.whyNew(s))
		}
	}
}

// retryAt is when a rejected task gets a successor: the pause doubles with each
// rejection in a row, from the restart delay up to api.MaxRestartDelay.
func (p *pass) retryAt(s *slot) time.Time {
	delay := value(p.revision.Spec.Restart.Delay, api.Duration(api.DefaultRestartDelay)).Std()
	for _, m := range s.past {
		if m.task.Revision != s.holder.task.Revision || m.state() != api.TaskRejected || delay >= api.MaxRestartDelay {
			break
		}
		delay *= 2
	}
	return since(s.holder, p.now).Add(min(delay, api.MaxRestartDelay))
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

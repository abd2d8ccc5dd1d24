package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// outcome is how a new task of a rollout stands.
type outcome int

const (
	unknown outcome = iota // not up yet, or not for long enough
	good
	failed
)

// rollOut brings slots from other revisions to the current one, as many at once
// and at the pace that the service's update (or rollback) settings say.
//
//	            ┌──── all slots good ────▶ completed
//	updating ───┤                          pause:    paused ── a new revision ──▶ updating
//	            └─ too many failed ──▶     continue: goes on
//	                                       rollback: Current moves back ──▶ rollback_started
//
// A rollback is the same on its way back, and pauses when it fails.
func (p *pass) rollOut() {
	stored := store.Get[api.Rollout](p.snapshot, p.id)
	outdated := p.outdated()
	record, begun := p.rollout(stored, outdated)
	if !begun || !active(record.State) {
		return
	}
	config := p.revision.Spec.Update
	if record.State == api.RolloutRollingBack {
		config = p.revision.Spec.Rollback
	}
	inFlight := p.follow(record, config)
	if p.giveUp(record, config) {
		p.save(stored, record)
		return
	}
	room := len(outdated)
	if parallelism := value(config.Parallelism, 1); parallelism > 0 {
		room = min(room, max(0, parallelism-inFlight))
	}
	for _, s := range outdated[:room] {
		p.renew(s, config.Order, record)
	}
	if len(outdated) == 0 && inFlight == 0 {
		record.Ended = p.now
		record.State = api.RolloutCompleted
		record.Message = fmt.Sprintf("all tasks are at revision %d", record.To)
		if record.To < record.From {
			record.State = api.RolloutRollbackComplete
		}
	}
	p.save(stored, record)
}

// rollout returns the record to go on with, begun anew when the service's current
// revision is not the one that the stored record is about.
func (p *pass) rollout(stored *api.Rollout, outdated []*slot) (*api.Rollout, bool) {
	if stored != nil && stored.To == p.service.Current {
		record := *stored
		record.Failed = slices.Clone(stored.Failed)
		return &record, true
	}
	if len(outdated) == 0 {
		return nil, false
	}
	record := &api.Rollout{From: outdated[0].holder.task.Revision, To: p.service.Current, State: api.RolloutUpdating, Started: p.now}
	record.ID = p.id
	if stored != nil {
		record.Meta = stored.Meta
	}
	if record.To < record.From {
		record.State = api.RolloutRollingBack
	}
	return record, true
}

func active(state api.RolloutState) bool {
	return state == api.RolloutUpdating || state == api.RolloutRollingBack
}

func (p *pass) save(stored, record *api.Rollout) {
	if stored != nil && api.EqualSpec(stored, record) {
		return
	}
	var before api.Object
	if stored != nil {
		before = stored
	}
	reason := record.Message
	if reason == "" {
		reason = fmt.Sprintf("revision %d to %d", record.From, record.To)
	}
	p.step(StepRollout, before, record, reason)
}

// outdated are the slots whose task is of another revision: first those that do
// not run, for they lose nothing.
func (p *pass) outdated() []*slot {
	var found []*slot
	for _, s := range p.slots {
		if s.holder != nil && s.holder.task.Revision != p.service.Current {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b *slot) int { return boolean(a.holder.running(), b.holder.running()) })
	return found
}

// follow looks at the slots that the rollout has touched: it notes what failed,
// ends old tasks that a new one stands in for, and counts the slots that are still
// under way.
func (p *pass) follow(record *api.Rollout, config api.UpdateConfig) (inFlight int) {
	for _, s := range p.slots {
		switch {
		case s.holder == nil:
			if len(s.leaving) > 0 {
				inFlight++ // between the old task and the new
			}
			continue
		case s.holder.task.Revision != p.service.Current || s.holder.task.Created.Before(record.Started):
			continue
		}
		if s.holder.running() {
			for _, old := range slices.Clone(s.older) {
				p.retire(s, old, fmt.Sprintf("revision %d runs", record.To))
			}
		}
		monitor := value(config.Monitor, api.Duration(api.DefaultUpdateMonitor)).Std()
		result, at := judge(s.holder, monitor, p.now)
		switch result {
		case failed:
			if !slices.Contains(record.Failed, s.key()) {
				record.Failed = append(record.Failed, s.key())
			}
		case good:
			if free := at.Add(config.Delay.Std()); p.now.Before(free) {
				inFlight++
				p.wakeAt(free)
			}
		default:
			inFlight++
			if !at.IsZero() {
				p.wakeAt(at)
			}
		}
	}
	return inFlight
}

// judge says how a new task stands, and since when it is good or when it may be.
func judge(m *member, monitor time.Duration, now time.Time) (outcome, time.Time) {
	if m.status == nil {
		return unknown, time.Time{}
	}
	switch m.status.State {
	case api.TaskFailed, api.TaskRejected:
		return failed, time.Time{}
	case api.TaskComplete:
		return good, since(m, now)
	}
	for _, attempt := range m.status.Attempts {
		if !attempt.Finished.IsZero() && attempt.Finished.Sub(attempt.Started) < monitor {
			return failed, time.Time{}
		}
	}
	if m.status.State != api.TaskRunning {
		return unknown, time.Time{}
	}
	at := since(m, now).Add(monitor)
	if now.Before(at) {
		return unknown, at
	}
	return good, at
}

// since is when a task came into its state, by the managers' clocks as far as can
// be told: a node's clock may be off by hours, and must not stall or hurry a
// rollout.
func since(m *member, now time.Time) time.Time {
	at := m.status.Since
	if at.After(now) {
		at = m.status.Updated
	}
	if at.Before(m.task.Created) {
		at = m.task.Created
	}
	return at
}

// giveUp pauses the rollout or sends it back when too many slots failed.
func (p *pass) giveUp(record *api.Rollout, config api.UpdateConfig) bool {
	if len(record.Failed) == 0 || float64(len(record.Failed)) <= config.MaxFailureRatio*float64(len(p.slots)) {
		return false
	}
	why := p.whyFailed(record)
	goBack := fmt.Sprintf("`orc service rollback %s` goes back", p.service.Name)
	switch {
	case config.FailureAction == api.FailureContinue:
		return false
	case record.State == api.RolloutRollingBack:
		record.State = api.RolloutRollbackPaused
		record.Message = fmt.Sprintf("rollback paused: %s; `orc service update %s` with what mends it goes on", why, p.service.Name)
	case config.FailureAction == api.FailureRollback && p.canRevertTo(record.From):
		p.revert(record, why)
	default:
		record.State = api.RolloutPaused
		record.Message = fmt.Sprintf("update paused: %s; `orc service update %s` with what mends it goes on, %s", why, p.service.Name, goBack)
	}
	return true
}

func (p *pass) canRevertTo(number int) bool {
	return store.Get[api.Revision](p.snapshot, api.RevisionID(p.id, number)) != nil
}

// revert moves the service back; the next pass rolls.
func (p *pass) revert(record *api.Rollout, why string) {
	reason := fmt.Sprintf("update to revision %d failed: %s; going back to revision %d", record.To, why, record.From)
	after := *p.service
	after.Current, after.Previous, after.Updated = record.From, 0, p.now
	p.step(RevertService, p.service, &after, reason)
	record.From, record.To = record.To, record.From
	record.State, record.Started, record.Failed, record.Message = api.RolloutRollingBack, p.now, nil, reason
}

// whyFailed tells of the first slot that failed, and how many others did.
func (p *pass) whyFailed(record *api.Rollout) string {
	text := fmt.Sprintf("%d of %d tasks failed", len(record.Failed), len(p.slots))
	for _, s := range p.slots {
		if s.key() != record.Failed[0] || s.holder == nil || s.holder.status == nil {
			continue
		}
		if message := s.holder.status.Message; message != "" {
			return text + ": " + s.String() + ": " + message
		}
		for _, attempt := range slices.Backward(s.holder.status.Attempts) {
			if !attempt.Finished.IsZero() {
				return text + fmt.Sprintf(": %s: %s", s, cmp.Or(attempt.Error, fmt.Sprintf("ended with exit code %d", attempt.ExitCode)))
			}
		}
	}
	return text
}

// renew begins to bring one slot to the current revision.
func (p *pass) renew(s *slot, order api.UpdateOrder, record *api.Rollout) {
	reason := fmt.Sprintf("revision %d to %d", s.holder.task.Revision, record.To)
	if order == api.StartFirst && s.holder.wanted() && s.node == "" {
		p.create(s, record.To, 0, reason)
		return
	}
	p.retire(s, s.holder, reason)
	if s.holder == nil && !p.waitsForEnd(s) {
		p.create(s, record.To, 0, reason)
	}
}

func value[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}

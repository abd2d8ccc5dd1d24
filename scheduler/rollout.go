package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// rollOut brings slots from other revisions to the current one, as many at once
// and at the pace that the service's update (or rollback) settings say.
//
//	            ┌──── all slots good ────▶ completed
//	updating ───┤                          pause:    paused ── a new revision ──▶ updating
//	            └─ too many failed ──▶     continue: goes on
//	                                       rollback: Current moves back ──▶ rollback_started
//
// A rollback is the same on its way back, and pauses when it fails. Where the way
// leads to what was removed, either pauses: see lacking.go.
func (p *pass) rollOut() { p.dropPrepared(p.takeOn()) }

// takeOn goes on with the service's rollout, if there is one, and returns its record.
func (p *pass) takeOn() *api.Rollout {
	stored := store.Get[api.Rollout](p.snapshot, p.id)
	outdated := p.outdated()
	record, begun := p.rollout(stored, outdated)
	if !begun || !active(record.State) {
		if record = p.beginRebalance(record); record == nil {
			return nil
		}
	}
	p.targets = record.Targets
	if p.strand(record) {
		p.save(stored, record)
		return record
	}
	config := p.revision.Spec.Update
	if record.State == api.RolloutRollingBack {
		config = p.revision.Spec.Rollback
	}
	inFlight, changing := p.follow(record, config)
	if p.giveUp(record, config) {
		p.save(stored, record)
		return record
	}
	p.renewSome(outdated, record, config, inFlight, changing)
	if record.State == api.RolloutRebalancing {
		inFlight += p.rebalance(record, config, inFlight)
	}
	if len(outdated) == 0 && inFlight == 0 {
		p.end(record)
	}
	p.save(stored, record)
	return record
}

// rollout returns the record to go on with, begun anew when the service's current
// revision is not the one that the stored record is about, or when slots come back
// that a finished rollout could not reach.
func (p *pass) rollout(stored *api.Rollout, outdated []*slot) (*api.Rollout, bool) {
	if stored == nil && len(outdated) == 0 {
		return nil, false
	}
	if stored != nil && stored.To == p.service.Current {
		record := *stored
		record.Failed, record.Targets = slices.Clone(stored.Failed), maps.Clone(stored.Targets)
		if ended := !record.Ended.IsZero(); ended && (len(outdated) > 0 || p.doubled()) {
			record.Started, record.Ended, record.Failed, record.Message = p.now, time.Time{}, nil, ""
			record.State = begun(record.From, record.To)
		}
		return &record, true
	}
	record := &api.Rollout{From: p.comesFrom(stored, outdated), To: p.service.Current, Started: p.now}
	record.ID = p.id
	if stored != nil {
		record.Meta, record.Rebalance = stored.Meta, stored.Rebalance
	}
	record.State = begun(record.From, record.To)
	return record, true
}

// doubled says whether a slot that can be reached has an old task beside the new.
func (p *pass) doubled() bool {
	return slices.ContainsFunc(p.slots, func(s *slot) bool { return len(s.older) > 0 && !p.away(s.holder) })
}

func begun(from, to int) api.RolloutState {
	if to < from {
		return api.RolloutRollingBack
	}
	return api.RolloutUpdating
}

// comesFrom is the revision that a new rollout would go back to: the one that an
// unfinished rollout before it left, which is known to work, rather than the one
// that it did not reach. One that lacks something now is no reason to go to one that
// failed.
func (p *pass) comesFrom(stored *api.Rollout, outdated []*slot) int {
	var candidates []int
	if stored != nil {
		candidates = []int{stored.To, stored.From}
		if stored.State == api.RolloutUpdating || stored.State == api.RolloutPaused {
			candidates = []int{stored.From, stored.To}
		}
	}
	for _, s := range outdated {
		candidates = append(candidates, s.holder.task.Revision)
	}
	for _, number := range candidates {
		if number != p.service.Current && p.kept(number) != nil {
			return number
		}
	}
	return candidates[0]
}

func (p *pass) end(record *api.Rollout) {
	if record.State == api.RolloutRebalancing {
		p.endRebalance(record)
		return
	}
	record.Ended = p.now
	record.Message = fmt.Sprintf("all tasks are at revision %d", record.To)
	if len(record.Failed) > 0 {
		record.Message += fmt.Sprintf(", and %d of %d failed at first", len(record.Failed), len(p.slots))
	}
	if record.State == api.RolloutRollingBack {
		record.State = api.RolloutRollbackComplete
		return
	}
	record.State = api.RolloutCompleted
}

func active(state api.RolloutState) bool {
	return state == api.RolloutUpdating || state == api.RolloutRollingBack || state == api.RolloutRebalancing
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
	switch {
	case reason != "":
	case record.State == api.RolloutRebalancing:
		reason = fmt.Sprintf("%d moved so far", record.Moved)
	default:
		reason = fmt.Sprintf("revision %d to %d", record.From, record.To)
	}
	p.step(StepRollout, before, record, reason)
}

// giveUp pauses the rollout or sends it back when too many slots failed.
func (p *pass) giveUp(record *api.Rollout, config api.UpdateConfig) bool {
	if len(record.Failed) == 0 || float64(len(record.Failed)) <= config.MaxFailureRatio*float64(len(p.slots)) {
		return false
	}
	why := p.whyFailed(record)
	switch {
	case config.FailureAction == api.FailureContinue:
		return false
	case record.State == api.RolloutRebalancing:
		p.stopRebalance(record, why)
	case record.State == api.RolloutRollingBack:
		record.State = api.RolloutRollbackPaused
		record.Message = fmt.Sprintf("rollback paused: %s; `orc service update %s` with what mends it goes on", why, p.service.Name)
	case config.FailureAction == api.FailureRollback && p.canRevertTo(record.From):
		p.revert(record, why)
	default:
		record.State = api.RolloutPaused
		record.Message = fmt.Sprintf("update paused: %s; %s", why, p.waysOn(record))
	}
	return true
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
		m := s.spoiled()
		if m == nil {
			m = s.holder
		}
		if s.key() != record.Failed[0] || m == nil || m.status == nil {
			continue
		}
		if message := m.status.Message; message != "" {
			return text + ": " + p.name(s) + ": " + message
		}
		for _, attempt := range slices.Backward(m.status.Attempts) {
			if !attempt.Finished.IsZero() {
				return text + fmt.Sprintf(": %s: %s", p.name(s), cmp.Or(attempt.Error, fmt.Sprintf("ended with exit code %d", attempt.ExitCode)))
			}
		}
	}
	return text
}

// renew begins to bring one slot to the current revision.
func (p *pass) renew(s *slot, order api.UpdateOrder, record *api.Rollout) {
	reason := fmt.Sprintf("revision %d to %d", s.holder.task.Revision, record.To)
	if p.startBeside(s, order, record.To, reason) {
		return
	}
	for s.holder != nil && s.holder.task.Revision != record.To { // an older one may be right
		p.retire(s, s.holder, reason)
	}
	if s.holder == nil && !p.waitsForEnd(s) {
		p.fill(s, record.To, 0, reason)
	}
}

// startBeside starts a slot's new task while the old one runs, where the order says
// so and both fit.
func (p *pass) startBeside(s *slot, order api.UpdateOrder, revision int, reason string) bool {
	if order != api.StartFirst || !s.holder.wanted() || len(s.older) > 0 || !p.bothFit(s) {
		return false
	}
	p.create(s, revision, 0, reason)
	return true
}

// bothFit says whether a slot may have its old and its new task at once. Where the
// old ones hold the only places that the new ones could have (their node, a host
// port, the tasks that a node may have) the old one has to go first.
func (p *pass) bothFit(s *slot) bool {
	d := p.demand(p.id, p.service.Current)
	if s.node != "" {
		return d.judge(p.nodes.byID[s.node]) == fits
	}
	p.count()
	defer p.uncount()
	held := false
	for _, n := range p.nodes.sorted {
		switch d.judge(n) {
		case fits:
			return true
		case portTaken, full:
			held = true
		}
	}
	return !held
}

func value[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}

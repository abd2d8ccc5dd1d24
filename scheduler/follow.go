package scheduler

import (
	"fmt"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
)

// outdated are the slots whose task is of another revision: first those that do
// not run, for they lose nothing. Those on nodes that are away have to wait for
// them.
func (p *pass) outdated() []*slot {
	var found []*slot
	for _, s := range p.slots {
		if s.holder != nil && s.holder.task.Revision != p.service.Current && !s.standsIn() && !p.away(s.holder) {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b *slot) int { return boolean(a.holder.running(), b.holder.running()) })
	return found
}

// away says that a task is on a node that is not there.
func (p *pass) away(m *member) bool {
	n := p.nodes.byID[m.task.Node]
	return m.task.Node != "" && (n == nil || !n.ready())
}

// sameMoment is how much managers' clocks may differ.
const sameMoment = time.Minute

// follow looks at the slots that the rollout has touched: it notes what failed,
// ends old tasks that a new one stands in for, and counts the slots that are still
// under way, and of them those that change places: whose new task is not up yet.
func (p *pass) follow(record *api.Rollout, config api.UpdateConfig) (inFlight, changing int) {
	monitor := value(config.Monitor, api.Duration(api.DefaultUpdateMonitor)).Std()
	up := fmt.Sprintf("revision %d runs", record.To)
	if record.State == api.RolloutRebalancing {
		up = "its successor runs where it was moved to"
	}
	for _, s := range p.slots {
		if s.unmakeable() && !slices.Contains(record.Failed, s.key()) {
			record.Failed = append(record.Failed, s.key())
		}
		if s.holder == nil {
			if p.waitsForEnd(s) {
				inFlight, changing = inFlight+1, changing+1
			}
			continue
		}
		if s.holder.task.Revision != p.service.Current || s.standsIn() || p.away(s.holder) {
			continue
		}
		if s.holder.task.Created.Before(record.Started.Add(-sameMoment)) { // it was there before
			p.retireOlder(s, up)
			continue
		}
		result, at := p.judge(s.holder, monitor)
		switch result {
		case failed:
			if !slices.Contains(record.Failed, s.key()) {
				record.Failed = append(record.Failed, s.key())
			}
			if config.FailureAction == api.FailureContinue {
				p.retireOlder(s, "the update goes on although it fails")
			}
		case good:
			p.retireOlder(s, up)
			if free := at.Add(config.Delay.Std()); p.now.Before(free) {
				inFlight++
				p.wakeAt(free)
			}
		default:
			if s.holder.task.Node == "" && !s.ran() {
				continue // it never ran: the rollout costs it nothing, nor waits for it
			}
			if pending := s.holder.task.Node == "" && s.holder.step == 0; pending && len(s.older) > 0 && !p.bothFit(s) {
				p.retireOlder(s, "revision "+fmt.Sprint(record.To)+" needs its place")
			}
			inFlight++
			if at.IsZero() {
				changing++
			} else {
				p.wakeAt(at)
			}
		}
	}
	return inFlight, changing
}

// ran says whether the slot had a task on a node before its holder.
func (s *slot) ran() bool {
	return slices.ContainsFunc(slices.Concat(s.older, s.leaving, s.past), func(m *member) bool { return m.task.Node != "" })
}

func (p *pass) retireOlder(s *slot, reason string) {
	for _, old := range slices.Clone(s.older) {
		p.retire(s, old, reason)
	}
}

// outcome is how a new task of a rollout stands.
type outcome int

const (
	unknown outcome = iota // not up yet, or not for long enough
	good
	failed
)

// judge says how a new task stands, and since when it is good or when it may be.
// One that was up for the monitor's time once and is up for as long again has only
// had an accident; one whose container ended and which is not up has failed, however
// long it took: a container that never gets healthy takes longer than the monitor.
func (p *pass) judge(m *member, monitor time.Duration) (outcome, time.Time) {
	if m.status == nil {
		return unknown, time.Time{}
	}
	switch m.status.State {
	case api.TaskFailed, api.TaskRejected:
		return failed, time.Time{}
	case api.TaskComplete:
		return good, p.since(m)
	}
	for _, attempt := range m.status.Attempts {
		if attempt.Finished.IsZero() {
			continue
		}
		if m.status.State != api.TaskRunning || attempt.Finished.Sub(attempt.Started) < monitor {
			return failed, time.Time{}
		}
	}
	if m.status.State != api.TaskRunning {
		return unknown, time.Time{}
	}
	at := p.since(m).Add(monitor)
	if p.now.Before(at) {
		return unknown, at
	}
	return good, at
}

// since is when a task came into its state, by the managers' clocks as far as can
// be told: a node's clock may be off by hours, and must not stall or hurry a
// rollout. It was not before the task was last told something, as to run.
func (p *pass) since(m *member) time.Time {
	at := m.status.Since
	if at.After(p.now) {
		at = m.status.Updated
	}
	for _, told := range []time.Time{m.task.Created, m.task.Updated} {
		if at.Before(told) {
			at = told
		}
	}
	return p.seen(at)
}

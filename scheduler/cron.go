package scheduler

import (
	"cmp"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/orc-project/orc/api"
)

// iteration is the number of the run that should be going on, 0 for none. A
// scheduled run is numbered by the minute (UTC, since 1970) that it was due at.
// Runs never overlap: one that comes due while another goes on begins when that has
// ended. Of several that were missed only the last is made up for.
func (p *pass) iteration() int {
	spec := p.revision.Spec
	if spec.Schedule == "" {
		return p.service.Current
	}
	schedule, err := cron.ParseStandard(spec.Schedule)
	if err != nil {
		return 0 // submitted specs are valid
	}
	last, busy := p.lastIteration()
	from := p.seen(p.revision.Created.UTC())
	if ran := p.seen(time.Unix(int64(last)*60, 0).UTC()); last > 0 && ran.After(from) {
		from = ran
	}
	if next := schedule.Next(p.now.UTC()); !next.IsZero() {
		p.wakeAt(next)
	}
	due := lastDue(schedule, from, p.now.UTC())
	if due.IsZero() || busy {
		return last
	}
	return int(due.Unix() / 60)
}

// lastIteration is the newest run of the present mode that has tasks, and whether any of
// either mode still goes on. It
// is the one that is wanted, if there is one: a run has a later number than those
// after it when it began by a clock that was ahead.
func (p *pass) lastIteration() (last int, busy bool) {
	wanted := 0
	for _, m := range p.members {
		if m.task.Iteration == 0 {
			continue
		}
		busy = busy || !m.ended() && (m.task.Node != "" || m.task.Slot > 0) && !p.givenUp(m)
		if !p.ofMode(m.task) {
			continue
		}
		last = max(last, m.task.Iteration)
		if m.task.Desired == api.DesiredRun {
			wanted = max(wanted, m.task.Iteration)
		}
	}
	return cmp.Or(wanted, last), busy
}

// givenUp says that a run does not wait for a task: its node is down or gone, and may
// never tell how it ended. One whose data is there is waited for.
func (p *pass) givenUp(m *member) bool {
	if m.task.Node == "" {
		return false
	}
	n := p.nodes.byID[m.task.Node]
	if n != nil && (n.status == nil || n.status.State != api.NodeDown) {
		return false
	}
	d := p.demand(p.id, m.task.Revision)
	return m.task.Slot == 0 || m.task.Desired != api.DesiredRun || d == nil || len(d.volumes) == 0
}

// lastDue is the last time that a schedule came due after from and not after now,
// or zero. It looks back in growing steps, for there may have been very many.
func lastDue(schedule cron.Schedule, from, now time.Time) time.Time {
	for back := time.Minute; ; back *= 8 {
		start := now.Add(-back)
		if !start.After(from) || back > 10*365*24*time.Hour {
			start = from
		}
		at := schedule.Next(start)
		if at.IsZero() || at.After(now) {
			if start.Equal(from) {
				return time.Time{}
			}
			continue
		}
		for next := schedule.Next(at); !next.After(now) && !next.IsZero(); next = schedule.Next(next) {
			at = next
		}
		return at
	}
}

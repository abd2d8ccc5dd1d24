package scheduler

import (
	"time"

	"github.com/robfig/cron/v3"
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
	from := p.revision.Created.UTC()
	if ran := time.Unix(int64(last)*60, 0).UTC(); last > 0 && ran.After(from) {
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

// lastIteration is the newest run that has tasks, and whether any still goes on.
func (p *pass) lastIteration() (last int, busy bool) {
	for _, m := range p.members {
		if m.task.Iteration > 0 {
			last = max(last, m.task.Iteration)
			busy = busy || !m.ended() && (m.task.Node != "" || m.task.Slot > 0)
		}
	}
	return last, busy
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

package scheduler

import (
	"fmt"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// settled is how long a node must have been up until tasks are moved to it that
// nobody asked to be moved: one that comes and goes would make them do so, too.
const settled = time.Minute

// Move is a task that a rebalance would replace by one on another node.
type Move struct {
	Task     *api.Task
	From, To string // node IDs
	Reason   string
}

// Moves are what a rebalance of a service would do now, or why it would do
// nothing. It plans nothing.
func (p *Planner) Moves(service string, now time.Time) ([]Move, string) {
	look := &pass{Planner: p, id: service, now: now}
	look.service = store.Get[api.Service](p.snapshot, service)
	if look.service == nil {
		return nil, "it is gone"
	}
	if look.revision = p.current(look.service); look.revision == nil {
		return nil, "its spec is gone"
	}
	look.gather()
	if why := look.staysPut(p.demand(service, look.service.Current)); why != "" {
		return nil, why
	}
	look.fillSlots(func(*member) bool { return true })
	var moves []Move
	for _, m := range look.moves(len(look.slots), anyNode) {
		moves = append(moves, Move{Task: m.slot.holder.task, From: m.from.ID, To: m.to.ID, Reason: m.reason})
	}
	if len(moves) == 0 {
		return nil, "its tasks are spread as evenly as they can be"
	}
	return moves, ""
}

func anyNode(*node) bool { return true }

// settledNode is a condition for moves; a node that is not up for long enough yet
// is looked at again.
func (p *pass) settledNode(n *node) bool {
	if !n.ready() {
		return false
	}
	at := p.seen(n.status.Since).Add(settled)
	if p.now.Before(at) {
		p.wakeAt(at)
		return false
	}
	return true
}

// beginRebalance returns the record of a rebalance to begin, or nil: one that was
// asked for since the last one began, or one that the service wants whenever it
// does any good. It is a rollout from a revision to itself:
//
//	rebalancing ──── no move improves the spread ────▶ rebalanced
//	     └────────── too many moved tasks failed ────▶ rebalance_stopped
func (p *pass) beginRebalance(last *api.Rollout) *api.Rollout {
	record := &api.Rollout{
		From: p.service.Current, To: p.service.Current, State: api.RolloutRebalancing, Started: p.now, Rebalance: p.service.Rebalance,
	}
	record.ID = p.id
	done := 0
	if last != nil {
		record.Meta, done = last.Meta, last.Rebalance
		if last.State == api.RolloutPaused || last.State == api.RolloutRollbackPaused {
			return nil
		}
	}
	if p.service.Rebalance != done {
		return record
	}
	if !p.revision.Spec.Placement.Rebalance || p.recovering(last) || len(p.moves(1, p.settledNode)) == 0 {
		return nil
	}
	return record
}

// recovering says that the last rebalance was stopped, and not long ago.
func (p *pass) recovering(last *api.Rollout) bool {
	if last == nil || last.State != api.RolloutRebalanceStopped {
		return false
	}
	again := p.seen(last.Ended).Add(avoidWithin)
	if !p.now.Before(again) {
		return false
	}
	p.wakeAt(again)
	return true
}

// rebalance moves as many tasks as may be under way, and returns how many.
func (p *pass) rebalance(record *api.Rollout, config api.UpdateConfig, inFlight int) int {
	limit := len(p.slots)
	if parallelism := value(config.Parallelism, 1); parallelism > 0 {
		limit = min(limit, parallelism-inFlight)
	}
	moves := p.moves(limit, anyNode)
	if record.Targets == nil {
		record.Targets = make(map[int]string)
	}
	p.targets = record.Targets
	for _, m := range moves {
		record.Targets[m.slot.number] = m.to.ID
		if !p.startBeside(m.slot, config.Order, record.To, m.reason) {
			p.retire(m.slot, m.slot.holder, m.reason) // scale fills it once it has ended
		}
		record.Moved++
	}
	return len(moves)
}

// target is where a rebalance moves a task's slot to, as long as that node takes it.
func (p *pass) target(m *member, d *demand) *node {
	n := p.nodes.byID[p.targets[m.task.Slot]]
	if n == nil || d.judge(n) != fits {
		return nil
	}
	return n
}

// endRebalance tells what a rebalance came to.
func (p *pass) endRebalance(record *api.Rollout) {
	record.Ended, record.State, record.Targets = p.now, api.RolloutRebalanced, nil
	switch record.Moved {
	case 0:
		record.Message = "nothing to move: tasks are spread as evenly as they can be"
	case 1:
		record.Message = "1 task moved"
	default:
		record.Message = fmt.Sprintf("%d tasks moved", record.Moved)
	}
}

// stopRebalance gives up: a slot whose old task is still there goes back to it.
func (p *pass) stopRebalance(record *api.Rollout, why string) {
	record.Ended, record.State, record.Targets = p.now, api.RolloutRebalanceStopped, nil
	record.Message = fmt.Sprintf("rebalance stopped: %s; the tasks that were not moved stay where they are", why)
	for _, s := range p.slots {
		if s.holder != nil && len(s.older) > 0 {
			p.retire(s, s.holder, "the rebalance was stopped")
		}
	}
}

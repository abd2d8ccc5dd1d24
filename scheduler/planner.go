package scheduler

import (
	"maps"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Planner is a scheduler with its working memory: the node table, what each task
// holds of its node, and which services need another look. The memory is only
// speed, unless a clock is off: a new Planner that is shown the same snapshot plans
// the same.
//
//	planner := scheduler.New(snapshot)
//	plan := planner.Plan(now)   // apply it, then observe what came of it
//	planner.Observe(update)     // each store.Update, in order
//
// After a commit that failed, begin with a new one. It is for one goroutine.
type Planner struct {
	snapshot *store.Snapshot
	nodes    nodeTable
	claims   map[string]claim
	demands  map[demandKey]*demand
	// dirty are the services to look at, by ID.
	dirty map[string]bool
	// pending are services with tasks that found no node: any change of the nodes'
	// room makes them dirty.
	pending map[string]bool
	// global are the services that want a task on each node.
	global map[string]bool
	// balanced are the services whose tasks move by themselves to spread better.
	balanced map[string]bool
	// removed are services that were removed and have tasks or specs left.
	removed map[string]bool
	// waiting are services that wait for others of their app, by the app's ID.
	waiting map[string]map[string]bool
	// wakes are when a service wants a look for time alone.
	wakes map[string]time.Time
	// planned is when the last plan was made. ahead has times (Unix nanoseconds) that
	// tell of the past though they are still to come, and when each was first seen.
	planned time.Time
	ahead   map[int64]time.Time
	// tentative are tasks whose claims come from a plan, not from a snapshot.
	tentative []string
	// scratch is memory for the next placer's nodes.
	scratch nodeHeap
	// freed says that room was given back since the last plan.
	freed bool
}

// New makes a Planner that looks at everything once.
func New(snapshot *store.Snapshot) *Planner {
	p := &Planner{
		snapshot: snapshot,
		nodes:    newNodeTable(),
		claims:   make(map[string]claim),
		demands:  make(map[demandKey]*demand),
		dirty:    make(map[string]bool),
		pending:  make(map[string]bool),
		global:   make(map[string]bool),
		balanced: make(map[string]bool),
		removed:  make(map[string]bool),
		waiting:  make(map[string]map[string]bool),
		wakes:    make(map[string]time.Time),
		ahead:    make(map[int64]time.Time),
	}
	for node := range store.All[api.Node](snapshot) {
		p.nodes.set(node, store.Get[api.NodeStatus](snapshot, node.ID))
	}
	for service := range store.All[api.Service](snapshot) {
		p.observeService(service.ID)
	}
	for task := range store.All[api.Task](snapshot) {
		if !p.dirty[task.Service] {
			p.observeService(task.Service) // it was removed
		}
		p.reclaim(task.ID)
	}
	for revision := range store.All[api.Revision](snapshot) {
		if !p.dirty[revision.Service] {
			p.observeService(revision.Service)
		}
	}
	return p
}

// Plan decides for every service that changed since the last Plan or whose time
// has come by now.
func (p *Planner) Plan(now time.Time) Plan {
	now = now.Round(0) // the wall clock, as all times in the database
	for _, task := range p.tentative {
		p.reclaim(task)
	}
	p.tentative = p.tentative[:0]
	p.reckon(now)
	if p.freed {
		maps.Copy(p.dirty, p.pending)
		p.freed = false
	}
	var plan Plan
	for _, id := range slices.Sorted(maps.Keys(p.dirty)) {
		delete(p.wakes, id)
		delete(p.pending, id)
		pass := &pass{Planner: p, id: id, now: now, steps: plan.Steps}
		pass.run()
		plan.Steps = pass.steps
		if !pass.wake.IsZero() {
			p.wakes[id] = pass.wake
		}
	}
	clear(p.dirty)
	for _, at := range p.wakes {
		if plan.Wake.IsZero() || at.Before(plan.Wake) {
			plan.Wake = at
		}
	}
	return plan
}

func (p *Planner) current(service *api.Service) *api.Revision {
	return store.Get[api.Revision](p.snapshot, api.RevisionID(service.ID, service.Current))
}

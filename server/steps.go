package server

import (
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/store"
)

// batches cuts a plan into transactions of at most limit steps. Steps of one
// service stay together unless they are more than that alone; each batch is safe
// without the others.
func batches(steps []scheduler.Step, limit int) [][]scheduler.Step {
	var all [][]scheduler.Step
	start := 0
	for at := 0; at < len(steps); {
		end := at + 1
		for end < len(steps) && steps[end].Service == steps[at].Service && end-at < limit {
			end++
		}
		if end-start > limit {
			all = append(all, steps[start:at])
			start = at
		}
		at = end
	}
	if start < len(steps) {
		all = append(all, steps[start:])
	}
	return all
}

// transaction is the steps' changes, in their order, and what they need.
func transaction(steps []scheduler.Step, now time.Time) *store.Tx {
	tx := &store.Tx{}
	once := make(map[about]bool)
	for _, step := range steps {
		once[about{changed(step).Kind(), changed(step).Header().ID}] = true
	}
	for _, step := range steps {
		if step.Needs == nil {
			continue
		}
		if of := (about{step.Needs.Kind(), step.Needs.Header().ID}); !once[of] {
			once[of] = true
			tx.Require(step.Needs)
		}
	}
	for _, step := range steps {
		if step.After == nil {
			tx.Delete(step.Before)
			continue
		}
		header := step.After.Header()
		header.Updated = now.UTC()
		if step.Before == nil {
			if header.Created.IsZero() { // a task knows it, see scheduler/clock.go
				header.Created = header.Updated
			}
			tx.Create(step.After)
			continue
		}
		header.Version, header.Created = step.Before.Header().Version, step.Before.Header().Created
		tx.Update(step.After)
	}
	return tx
}

// about is what an operation is about: a transaction has one of each.
type about struct {
	kind api.Kind
	id   string
}

// changed is what a step changes, or as it was before it is removed.
func changed(step scheduler.Step) api.Object {
	if step.After != nil {
		return step.After
	}
	return step.Before
}

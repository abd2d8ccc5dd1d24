package scheduler

import (
	"maps"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Observe takes in what changed. It decides nothing.
func (p *Planner) Observe(update store.Update) {
	p.snapshot = update.Snapshot
	for _, change := range update.Changes {
		switch change.Kind {
		case api.KindNode, api.KindNodeStatus:
			p.observeNode(change)
		case api.KindTask:
			p.reclaim(change.ID)
			p.touch(serviceOf(change.Old))
			p.touch(serviceOf(change.New))
		case api.KindTaskStatus:
			p.reclaim(change.ID)
			if task := store.Get[api.Task](p.snapshot, change.ID); task != nil {
				p.touch(task.Service)
			}
		case api.KindService:
			p.observeService(change.ID)
		case api.KindRollout:
			p.touch(change.ID)
		case api.KindNetwork, api.KindSecret, api.KindConfig:
			if change.New == nil {
				p.observeLoss()
			}
		case api.KindVolume:
			clear(p.demands) // where its data is may be another matter now
		case api.KindRevision:
			if old, gone := change.Old.(*api.Revision); gone && change.New == nil {
				delete(p.demands, demandKey{old.Service, old.Number})
			}
			p.touch(serviceOf(change.Old))
			p.touch(serviceOf(change.New))
		}
	}
}

// observeLoss looks again at the services that are on their way: what is gone may be
// what they go to.
func (p *Planner) observeLoss() {
	for rollout := range store.All[api.Rollout](p.snapshot) {
		if rollout.Ended.IsZero() {
			p.touch(rollout.ID)
		}
	}
}

// touch makes a service dirty, and those of its app that wait for others.
func (p *Planner) touch(service string) {
	if service == "" {
		return
	}
	p.dirty[service] = true
	if p.removed[service] {
		maps.Copy(p.dirty, p.removed) // they end one after another
	}
	if s := store.Get[api.Service](p.snapshot, service); s != nil && s.App != "" {
		for other := range p.waiting[s.App] {
			p.dirty[other] = true
		}
	}
}

func (p *Planner) observeNode(change store.Change) {
	id := change.ID
	node := store.Get[api.Node](p.snapshot, id)
	if node == nil {
		p.nodes.remove(id)
	} else {
		p.nodes.set(node, store.Get[api.NodeStatus](p.snapshot, id))
	}
	if sameHost(change.Old, change.New) {
		return
	}
	p.freed = true
	for task := range store.Find[api.Task](p.snapshot, store.ByNode, id) {
		p.reclaim(task.ID)
		p.touch(task.Service)
	}
	maps.Copy(p.dirty, p.global)
	maps.Copy(p.dirty, p.balanced)
}

// sameHost says that a node's change, or its status's, makes no difference to tasks:
// another session, another version.
func sameHost(before, after api.Object) bool {
	switch old := before.(type) {
	case *api.Node:
		now, still := after.(*api.Node)
		return still && old.Availability == now.Availability && old.Runs == now.Runs && old.Role == now.Role &&
			old.Name == now.Name && maps.Equal(old.Labels, now.Labels)
	case *api.NodeStatus:
		now, still := after.(*api.NodeStatus)
		return still && old.State == now.State && api.EqualSpec(old.Info, now.Info)
	}
	return false
}

// observeService notes what sort of service it is.
func (p *Planner) observeService(id string) {
	p.touch(id)
	delete(p.global, id)
	delete(p.balanced, id)
	service := store.Get[api.Service](p.snapshot, id)
	if service == nil {
		p.removed[id] = true
		return
	}
	if current := p.current(service); current != nil {
		if current.Spec.Mode.Global() {
			p.global[id] = true
		}
		if current.Spec.Placement.Rebalance {
			p.balanced[id] = true
		}
	}
}

func serviceOf(object api.Object) string {
	switch o := object.(type) {
	case *api.Task:
		return o.Service
	case *api.Revision:
		return o.Service
	}
	return ""
}

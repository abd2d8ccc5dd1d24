package network

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/store"
)

// marks are the blocks of one network that are to be looked at.
type marks struct {
	network string
	nodes   []string // "" for the block of virtual addresses
}

// marked are all blocks to look at, in the order of their IDs.
func (k *Keeper) marked() []marks {
	var all []marks
	for _, id := range slices.Sorted(maps.Keys(k.blocks)) {
		network, node, _ := strings.Cut(id, ".")
		if len(all) == 0 || all[len(all)-1].network != network {
			all = append(all, marks{network: network})
		}
		last := &all[len(all)-1]
		last.nodes = append(last.nodes, node)
	}
	return all
}

// share gives a network's addresses to its nodes: first one for every task, then
// those to spare. It takes back what has been idle for long.
func (k *Keeper) share(m marks, now time.Time) []scheduler.Step {
	network := store.Get[api.Network](k.snapshot, m.network)
	var planned []scheduler.Step
	switch {
	case network == nil:
		planned = k.dissolve(m)
	case network.Subnet.IsValid():
		ledger := Open(k.snapshot)
		p := ledger.page(network)
		for _, spare := range []bool{false, true} {
			for _, node := range m.nodes {
				k.provide(ledger, p, node, spare, now)
			}
		}
		for _, node := range m.nodes {
			planned = append(planned, k.note(ledger, network, node, now)...)
		}
		for _, change := range ledger.Blocks() {
			planned = append(planned, steps(giveBlock, m.network, k.reason(network, change), change)...)
		}
	}
	if len(planned) == 0 {
		for _, node := range m.nodes {
			delete(k.blocks, api.BlockID(m.network, node))
		}
	}
	return planned
}

// provide lets a node's block grow to what its tasks need, or also to what they may
// need soon.
func (k *Keeper) provide(ledger *Ledger, p *page, node string, spare bool, now time.Time) {
	id := api.BlockID(p.network.ID, node)
	wanted := k.counts[id]
	if node == "" || wanted == 0 {
		return
	}
	if spare {
		wanted = need(p.network.Subnet, wanted+k.rest(id, now))
	}
	block := ledger.peek(id)
	if block != nil && assignable(p.network.Subnet, block.Prefixes) >= wanted {
		return
	}
	room := ledger.free(p).room()
	if room == 0 || spare && room <= size(p.network.Subnet)/8 {
		return // the last addresses are for tasks that have none
	}
	ledger.grow(p, ledger.block(p.network.ID, node), wanted)
	ledger.block(p.network.ID, "") // the guard: see Ledger
}

// note brings what else a node's block says up to date, or frees the block.
func (k *Keeper) note(ledger *Ledger, network *api.Network, node string, now time.Time) []scheduler.Step {
	id := api.BlockID(network.ID, node)
	block, tasks := ledger.peek(id), k.counts[id]
	if node == "" || block == nil && tasks == 0 {
		return nil
	}
	if block == nil {
		block = ledger.block(network.ID, node) // nothing but that it lacks all
	}
	if lacks := assignable(network.Subnet, block.Prefixes) < tasks; lacks != block.Lacks {
		ledger.block(network.ID, node).Lacks = lacks
	}
	switch {
	case tasks > 0:
		delete(k.wakes, id)
		if !block.Idle.IsZero() {
			ledger.block(network.ID, node).Idle = time.Time{}
		}
	case block.Idle.IsZero():
		ledger.block(network.ID, node).Idle = now.UTC()
	default:
		at, known := k.freeAt(block)
		switch {
		case !known:
		case at.After(now):
			k.wakes[id] = at
		default:
			return steps(freeBlock, network.ID, k.nodeName(node)+" has had no task on network "+network.Name+" for long", Change{Before: block})
		}
	}
	return nil
}

// freeAt is when an idle block is freed. A node that is down may still run what it
// ran: its block is not, before it is back and has been told, or is removed.
func (k *Keeper) freeAt(block *api.Block) (time.Time, bool) {
	if store.Get[api.Node](k.snapshot, block.Node) == nil {
		return block.Idle.Add(goneFor), true
	}
	status := store.Get[api.NodeStatus](k.snapshot, block.Node)
	if status == nil || status.State != api.NodeReady {
		return time.Time{}, false
	}
	from := block.Idle
	if status.Since.After(from) {
		from = status.Since
	}
	return from.Add(idleFor), true
}

// dissolve frees the blocks of a network that was removed, once no task has an
// address of them; that of the virtual addresses is the last.
func (k *Keeper) dissolve(m marks) []scheduler.Step {
	if m.network == api.IngressID {
		return nil // it is still to be made
	}
	var planned []scheduler.Step
	for _, node := range m.nodes {
		id := api.BlockID(m.network, node)
		block := store.Get[api.Block](k.snapshot, id)
		if block == nil || k.counts[id] > 0 || node == "" && k.shared(m.network) {
			continue
		}
		planned = append(planned, steps(freeBlock, m.network, "its network was removed", Change{Before: block})...)
	}
	return planned
}

// shared says whether nodes have blocks of a network.
func (k *Keeper) shared(network string) bool {
	for block := range store.Find[api.Block](k.snapshot, store.ByNetwork, network) {
		if block.Node != "" {
			return true
		}
	}
	return false
}

// rest is how many addresses of a block rest after their tasks have ended.
func (k *Keeper) rest(id string, now time.Time) int {
	resting := k.resting[id]
	for len(resting) > 0 && !resting[0].After(now) {
		resting = resting[1:]
	}
	k.resting[id] = resting
	if len(resting) == 0 {
		delete(k.resting, id)
	}
	return len(resting)
}

// reason says why a block changes.
func (k *Keeper) reason(network *api.Network, change Change) string {
	block := change.After.(*api.Block)
	tasks := k.counts[block.ID]
	switch {
	case block.Node == "":
		return "network " + network.Name + ": addresses are given to nodes"
	case block.Lacks:
		return fmt.Sprintf("%s has %d tasks on network %s, whose subnet %s has no address left for it", k.nodeName(block.Node), tasks, network.Name, network.Subnet)
	case tasks == 0:
		return k.nodeName(block.Node) + " has no task on network " + network.Name + " any more"
	}
	return fmt.Sprintf("%s has %d tasks on network %s", k.nodeName(block.Node), tasks, network.Name)
}

func (k *Keeper) nodeName(id string) string {
	if node := store.Get[api.Node](k.snapshot, id); node != nil {
		return "node " + node.Name
	}
	return "node " + api.ShortID(id)
}

// steps make a plan's steps of changes.
func steps(action scheduler.Action, about, reason string, changes ...Change) []scheduler.Step {
	planned := make([]scheduler.Step, len(changes))
	for i, change := range changes {
		planned[i] = scheduler.Step{Action: action, Service: about, Before: change.Before, After: change.After, Reason: reason}
	}
	return planned
}

// object is an object as an interface that is nil when there is none.
func object[T any, P interface {
	*T
	api.Object
}](of P) api.Object {
	if of == nil {
		return nil
	}
	return of
}

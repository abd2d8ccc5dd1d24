// Package network keeps the cluster's addresses: which network has which subnet,
// which service which virtual address and which ports, which node which block.
//
// It is pure: a Ledger is a snapshot and what is being drafted on it, a Keeper is
// what the leader remembers between plans. Neither reads a clock nor writes; what
// they give out is committed by their callers.
//
//	network ──subnet──▶ blocks ─┬─ of a node: its tasks' addresses (the agent's to give)
//	                            └─ of no node: services' virtual addresses
//
// Two that allot at the same time must not allot the same. Therefore whoever takes
// something writes the block of no node that it belongs to: that of the network for
// its addresses, that of the ingress network for subnets and ports. The database
// lets only one of the two commit.
package network

import (
	"maps"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Ledger is who has what, in a snapshot and in a draft on it. It is for one
// goroutine. After an error it must not be used.
type Ledger struct {
	snapshot *store.Snapshot
	settings api.Settings
	// networks and endpoints are those that the draft makes, by ID; an endpoint is
	// nil when its service has none any more.
	networks  map[string]*api.Network
	endpoints map[string]*api.Endpoint
	blocks    map[string]*blockDraft // by ID
	pages     map[string]*page       // by network ID
	ports     *portBook              // nil until it is needed
	names     map[string]string      // of services that the draft makes, by ID
}

// blockDraft is a block as it was and as the draft leaves it.
type blockDraft struct{ before, after *api.Block }

// Open begins with a snapshot. Nothing is read before it is needed.
func Open(snapshot *store.Snapshot) *Ledger {
	l := &Ledger{
		snapshot: snapshot,
		networks: make(map[string]*api.Network), endpoints: make(map[string]*api.Endpoint),
		blocks: make(map[string]*blockDraft), pages: make(map[string]*page), names: make(map[string]string),
	}
	if cluster := store.Get[api.Cluster](snapshot, api.ClusterID); cluster != nil {
		l.settings = cluster.Settings
	}
	return l
}

// Change is an object that is to be written: Before nil makes it, After nil
// removes it.
type Change struct{ Before, After api.Object }

// Blocks are the blocks that the draft takes from, to be written with it.
func (l *Ledger) Blocks() []Change {
	var changes []Change
	for _, id := range slices.Sorted(maps.Keys(l.blocks)) {
		change := Change{After: l.blocks[id].after}
		if before := l.blocks[id].before; before != nil {
			change.Before = before
		}
		changes = append(changes, change)
	}
	return changes
}

// block is a block that the caller may change, and which will be written.
func (l *Ledger) block(network, node string) *api.Block {
	id := api.BlockID(network, node)
	if drafted := l.blocks[id]; drafted != nil {
		return drafted.after
	}
	before := store.Get[api.Block](l.snapshot, id)
	after := &api.Block{Network: network, Node: node}
	after.ID = id
	if before != nil {
		*after = *before
		after.Prefixes = slices.Clone(before.Prefixes)
	}
	l.blocks[id] = &blockDraft{before, after}
	return after
}

// peek is a block as the draft has it, to be read only, or nil.
func (l *Ledger) peek(id string) *api.Block {
	if drafted := l.blocks[id]; drafted != nil {
		return drafted.after
	}
	return store.Get[api.Block](l.snapshot, id)
}

// reserve makes sure that no other draft takes subnets or ports at the same time.
func (l *Ledger) reserve() *api.Block { return l.block(api.IngressID, "") }

// Attach makes sure that nobody who has not seen the draft's services removes a
// network: that compares the block.
func (l *Ledger) Attach(network string) { l.block(network, "") }

// network is a network as the draft has it, or nil.
func (l *Ledger) network(id string) *api.Network {
	if drafted := l.networks[id]; drafted != nil {
		return drafted
	}
	return store.Get[api.Network](l.snapshot, id)
}

// service is a service's name, for errors.
func (l *Ledger) service(id string) string {
	if name := l.names[id]; name != "" {
		return name
	}
	if service := store.Get[api.Service](l.snapshot, id); service != nil {
		return service.Name
	}
	return api.ShortID(id)
}

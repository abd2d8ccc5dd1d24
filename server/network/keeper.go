package network

import (
	"maps"
	"net/netip"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/store"
)

// The actions of a Keeper's steps.
const (
	giveSubnet   scheduler.Action = "subnet"
	giveBlock    scheduler.Action = "block"
	freeBlock    scheduler.Action = "free"
	makeEndpoint scheduler.Action = "endpoint"
)

// How long a block stays with a node that has no task on the network any more, and
// with a node that has left the cluster. Both are longer than any node can hold on
// to an address that was withdrawn: see wire.Down.Settled.
const (
	idleFor = 10 * time.Minute
	goneFor = 90 * time.Second
	// restFor is how long the address of a task that ended counts as in use.
	restFor = 90 * time.Second
)

// Keeper plans what the leader writes of networks: the nodes' blocks, the ingress
// network, and what endpoints lack. Its memory is only speed: a new one that is
// shown the same snapshot plans the same, but for addresses that rest.
//
// A block's life:
//
//	(first task) ──▶ in use ──(last task ended)──▶ idle ──(for long)──▶ freed
//	                   ▲ grows      └──────(a task)──────┘
//
// It is for one goroutine.
type Keeper struct {
	snapshot *store.Snapshot
	claims   map[string]claim // by task ID: what tasks have an address of
	counts   map[string]int   // tasks, by block ID
	// left are tasks that ended since the last plan, and resting those before: until
	// when, oldest first. By block ID.
	left    map[string]int
	resting map[string][]time.Time
	// What to look at, by ID. It is looked at until nothing is to be done.
	blocks   map[string]bool
	services map[string]bool
	networks map[string]bool
	// lacking are blocks for which there was no room, by network.
	lacking map[string]map[string]bool
	// short are the services whose endpoints lack something, by ID: what another one
	// gives up may be what they wait for.
	short map[string]bool
	wakes map[string]time.Time // by block ID
}

// claim is a task that has an address on networks of its node.
type claim struct {
	node     string
	networks []string
}

// NewKeeper makes a Keeper that looks at everything once.
func NewKeeper(snapshot *store.Snapshot) *Keeper {
	k := &Keeper{
		snapshot: snapshot,
		claims:   make(map[string]claim), counts: make(map[string]int),
		left: make(map[string]int), resting: make(map[string][]time.Time),
		blocks: make(map[string]bool), services: make(map[string]bool), networks: make(map[string]bool),
		lacking: make(map[string]map[string]bool), short: make(map[string]bool), wakes: make(map[string]time.Time),
	}
	k.networks[api.IngressID] = true
	for network := range store.All[api.Network](snapshot) {
		k.networks[network.ID] = true
	}
	for task := range store.All[api.Task](snapshot) {
		k.reclaim(task.ID)
	}
	clear(k.left)
	for block := range store.All[api.Block](snapshot) {
		k.noteBlock(block)
	}
	for service := range store.All[api.Service](snapshot) {
		k.services[service.ID] = true
	}
	for endpoint := range store.All[api.Endpoint](snapshot) {
		k.noteEndpoint(endpoint.ID)
	}
	return k
}

// Observe takes in what became different.
func (k *Keeper) Observe(update store.Update) {
	k.snapshot = update.Snapshot
	for _, change := range update.Changes {
		switch change.Kind {
		case api.KindTask, api.KindTaskStatus:
			k.reclaim(change.ID)
		case api.KindService, api.KindEndpoint:
			k.noteEndpoint(change.ID)
			maps.Copy(k.services, k.short)
		case api.KindNetwork:
			k.networks[change.ID] = true
			k.look(store.ByNetwork, change.ID)
			if subnetOf(change.Old) != subnetOf(change.New) {
				k.rejoin(change.ID)
			}
		case api.KindBlock:
			k.observeBlock(change)
		case api.KindNode:
			k.look(store.ByNode, change.ID)
		case api.KindNodeStatus:
			k.networks[api.IngressID] = true // there may be room for it now
			if stateOf(change.Old) != stateOf(change.New) {
				k.look(store.ByNode, change.ID)
			}
		case api.KindCluster:
			k.networks[api.IngressID] = true
		}
	}
}

// reclaim brings a task's claim to what the snapshot says.
func (k *Keeper) reclaim(id string) {
	want := k.claimOf(id)
	had, found := k.claims[id]
	if want.node == had.node {
		return // a task never moves, and its networks are its revision's
	}
	if found {
		delete(k.claims, id)
		k.count(had, -1)
	}
	if want.node != "" {
		k.claims[id] = want
		k.count(want, 1)
	}
}

func (k *Keeper) claimOf(id string) claim {
	task := store.Get[api.Task](k.snapshot, id)
	if networks := Holds(k.snapshot, task); len(networks) > 0 {
		return claim{node: task.Node, networks: networks}
	}
	return claim{}
}

func (k *Keeper) count(c claim, n int) {
	for _, network := range c.networks {
		id := api.BlockID(network, c.node)
		if k.counts[id] += n; k.counts[id] == 0 {
			delete(k.counts, id)
		}
		if n < 0 {
			k.left[id]++
		}
		k.blocks[id] = true
	}
}

// look marks blocks that something about their network or node changed.
func (k *Keeper) look(index store.Index, value string) {
	for block := range store.Find[api.Block](k.snapshot, index, value) {
		k.noteBlock(block)
	}
}

// rejoin looks again at all that waits for a network's subnet.
func (k *Keeper) rejoin(network string) {
	for service := range store.All[api.Service](k.snapshot) {
		k.services[service.ID] = true
	}
	for id := range k.counts {
		if strings.HasPrefix(id, network+".") {
			k.blocks[id] = true
		}
	}
}

func (k *Keeper) observeBlock(change store.Change) {
	if block, ok := change.New.(*api.Block); ok && block != nil {
		k.noteBlock(block)
		return
	}
	old := change.Old.(*api.Block)
	delete(k.wakes, old.ID)
	for id := range k.lacking[old.Network] { // there may be room now
		k.blocks[id] = true
	}
	k.look(store.ByNetwork, old.Network) // one without a network waits for the others to go
	if k.counts[old.ID] > 0 {
		k.blocks[old.ID] = true
	}
}

func (k *Keeper) noteEndpoint(service string) {
	k.services[service] = true
	delete(k.short, service)
	if endpoint := store.Get[api.Endpoint](k.snapshot, service); endpoint != nil && len(endpoint.Lacks) > 0 {
		k.short[service] = true
	}
}

func (k *Keeper) noteBlock(block *api.Block) {
	k.blocks[block.ID] = true
	if block.Lacks {
		if k.lacking[block.Network] == nil {
			k.lacking[block.Network] = make(map[string]bool)
		}
		k.lacking[block.Network][block.ID] = true
		return
	}
	delete(k.lacking[block.Network], block.ID)
}

func subnetOf(object api.Object) netip.Prefix {
	if network, ok := object.(*api.Network); ok && network != nil {
		return network.Subnet
	}
	return netip.Prefix{}
}

func stateOf(object api.Object) api.NodeState {
	if status, ok := object.(*api.NodeStatus); ok && status != nil {
		return status.State
	}
	return ""
}

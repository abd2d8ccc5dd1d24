package network

import (
	"maps"
	"net/netip"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// tables are all that managers have told of the networks, as wire.NetworkState has
// them.
type tables struct {
	Number   uint16                  `cbor:"1,keyasint"` // this node's; 0 before the first welcome
	DataPort uint16                  `cbor:"2,keyasint"`
	Networks map[string]wire.Network `cbor:"3,keyasint"`
	Peers    map[string]wire.Peer    `cbor:"4,keyasint"`
	Blocks   map[string]wire.Block   `cbor:"5,keyasint"`
	Services map[string]wire.Service `cbor:"6,keyasint"`
	Backends map[string]wire.Backend `cbor:"7,keyasint"`
}

// effects are what a message changes.
type effects struct {
	// withdrawn are the backends that get no new connections any more, by task, as they
	// were before.
	withdrawn map[string]wire.Backend
	// networks are those on which names changed; nil stands for all.
	networks map[string]bool
	// strange are the addresses that tasks were said to have and cannot.
	strange []strange
}

// strange is an address that is not of its network.
type strange struct {
	task, network string
	address       netip.Addr
}

// apply changes the tables by a message.
func (t *tables) apply(down wire.Down) effects {
	if down.Welcome != nil {
		t.Number, t.DataPort = down.Welcome.Node.Number, down.Welcome.DataPort
		if t.DataPort == 0 {
			t.DataPort = api.DefaultDataPort
		}
	}
	state := down.Network
	if state == nil {
		state = &wire.NetworkState{}
	}
	var e effects
	var backends wire.Changes[wire.Backend]
	backends, e.strange = t.reachable(down.Full, state)
	concerned := allServices
	if !down.Full {
		concerned = servicesOf(affected(t.Backends, backends))
	}
	before := t.backends(concerned)
	if down.Full {
		t.Networks, t.Peers, t.Blocks, t.Services, t.Backends = nil, nil, nil, nil, nil
	} else {
		e.networks = t.touched(state, backends)
	}
	change(&t.Networks, state.Networks)
	change(&t.Peers, state.Peers)
	change(&t.Blocks, state.Blocks)
	change(&t.Services, state.Services)
	change(&t.Backends, backends)
	e.withdrawn = withdrawn(before, t.backends(concerned))
	return e
}

// reachable are a message's backends, without the addresses that are not of their
// networks. Those come from other nodes by way of managers: one of them may not spoil
// this node's packet rules, or draw its connections to somewhere else.
func (t *tables) reachable(full bool, state *wire.NetworkState) (wire.Changes[wire.Backend], []strange) {
	backends := wire.Changes[wire.Backend]{Set: maps.Clone(state.Backends.Set), Gone: state.Backends.Gone}
	var all []strange
	for task, backend := range state.Backends.Set {
		var left map[string]netip.Addr
		for id, address := range backend.Addresses {
			network, told := state.Networks.Set[id]
			if !told && !full {
				network = t.Networks[id]
			}
			if network.Subnet.Contains(address) {
				continue
			}
			if left == nil {
				left = maps.Clone(backend.Addresses)
			}
			delete(left, id)
			all = append(all, strange{task, id, address})
		}
		if left != nil {
			backend.Addresses = left
			backends.Set[task] = backend
		}
	}
	return backends, all
}

// touched are the networks of what is about to change, before and after.
func (t *tables) touched(state *wire.NetworkState, backends wire.Changes[wire.Backend]) map[string]bool {
	networks := make(map[string]bool)
	for id := range state.Networks.Set {
		networks[id] = true
	}
	for _, id := range state.Networks.Gone {
		networks[id] = true
	}
	for _, service := range affected(t.Services, state.Services) {
		for id := range service.Networks {
			networks[id] = true
		}
	}
	for _, backend := range affected(t.Backends, backends) {
		for id := range backend.Addresses {
			networks[id] = true
		}
	}
	return networks
}

// affected are the entries of a table that changes concern: as they are, and as they
// will be.
func affected[T any](table map[string]T, changes wire.Changes[T]) []T {
	var all []T
	for id, next := range changes.Set {
		all = append(all, next)
		if old, known := table[id]; known {
			all = append(all, old)
		}
	}
	for _, id := range changes.Gone {
		if old, known := table[id]; known {
			all = append(all, old)
		}
	}
	return all
}

// clone shares what is in the tables, which is never changed, only replaced.
func (t *tables) clone() *tables {
	c := *t
	c.Networks, c.Peers, c.Blocks = maps.Clone(t.Networks), maps.Clone(t.Peers), maps.Clone(t.Blocks)
	c.Services, c.Backends = maps.Clone(t.Services), maps.Clone(t.Backends)
	return &c
}

// allServices stands for them where some are named.
var allServices map[string]bool

func servicesOf(backends []wire.Backend) map[string]bool {
	services := make(map[string]bool)
	for _, backend := range backends {
		services[backend.Service] = true
	}
	return services
}

// backends are those of services, on their own.
func (t *tables) backends(of map[string]bool) *tables {
	some := &tables{Backends: make(map[string]wire.Backend)}
	if of != nil && len(of) == 0 { // most messages are about something else
		return some
	}
	for task, backend := range t.Backends {
		if of == nil || of[backend.Service] {
			some.Backends[task] = backend
		}
	}
	return some
}

// withdrawn finds the backends, as they were, that are gone, or got new connections
// before and do not any more. So those of nodes that are down are found when their
// service has others: that may be long after the nodes were lost.
func withdrawn(before, after *tables) map[string]wire.Backend {
	had, has := before.here(), after.here()
	out := make(map[string]wire.Backend)
	for task, old := range before.Backends {
		now, stays := after.Backends[task]
		if !stays || had.takes(old) && !has.takes(now) || !maps.Equal(old.Addresses, now.Addresses) {
			out[task] = old
		}
	}
	return out
}

func change[T any](table *map[string]T, changes wire.Changes[T]) {
	if *table == nil {
		*table = make(map[string]T, len(changes.Set))
	}
	for _, id := range changes.Gone {
		delete(*table, id)
	}
	maps.Copy(*table, changes.Set)
}

package network

import (
	"maps"

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
	before := t.Backends
	var e effects
	if down.Full {
		t.Networks, t.Peers, t.Blocks, t.Services, t.Backends = nil, nil, nil, nil, nil
	} else {
		e.withdrawn = withdraws(before, state.Backends)
		e.networks = t.touched(state)
	}
	change(&t.Networks, state.Networks)
	change(&t.Peers, state.Peers)
	change(&t.Blocks, state.Blocks)
	change(&t.Services, state.Services)
	change(&t.Backends, state.Backends)
	if down.Full {
		e.withdrawn = make(map[string]wire.Backend)
		for id, old := range before {
			if now, stays := t.Backends[id]; !stays || ends(old, now) {
				e.withdrawn[id] = old
			}
		}
	}
	return e
}

// touched are the networks of what is about to change, before and after.
func (t *tables) touched(state *wire.NetworkState) map[string]bool {
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
	for _, backend := range affected(t.Backends, state.Backends) {
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

// withdraws finds the backends that changes take out.
func withdraws(before map[string]wire.Backend, changes wire.Changes[wire.Backend]) map[string]wire.Backend {
	withdrawn := make(map[string]wire.Backend)
	for _, id := range changes.Gone {
		if old, known := before[id]; known {
			withdrawn[id] = old
		}
	}
	for id, now := range changes.Set {
		if old, known := before[id]; known && ends(old, now) {
			withdrawn[id] = old
		}
	}
	return withdrawn
}

// ends says that what reached the old one must not go on for ever.
func ends(old, now wire.Backend) bool {
	return now.Draining && !old.Draining || now.Away && !old.Away || !maps.Equal(old.Addresses, now.Addresses)
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

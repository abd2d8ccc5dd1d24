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

// apply changes the tables by a message, and returns the backends that get no new
// connections any more, as they were before.
func (t *tables) apply(down wire.Down) (withdrawn []wire.Backend) {
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
	if down.Full {
		t.Networks, t.Peers, t.Blocks, t.Services, t.Backends = nil, nil, nil, nil, nil
	} else {
		withdrawn = withdraws(before, state.Backends)
	}
	change(&t.Networks, state.Networks)
	change(&t.Peers, state.Peers)
	change(&t.Blocks, state.Blocks)
	change(&t.Services, state.Services)
	change(&t.Backends, state.Backends)
	if down.Full {
		for id, old := range before {
			if now, stays := t.Backends[id]; !stays || ends(old, now) {
				withdrawn = append(withdrawn, old)
			}
		}
	}
	return withdrawn
}

// withdraws finds the backends that changes take out.
func withdraws(before map[string]wire.Backend, changes wire.Changes[wire.Backend]) (withdrawn []wire.Backend) {
	for _, id := range changes.Gone {
		if old, known := before[id]; known {
			withdrawn = append(withdrawn, old)
		}
	}
	for id, now := range changes.Set {
		if old, known := before[id]; known && ends(old, now) {
			withdrawn = append(withdrawn, old)
		}
	}
	return withdrawn
}

// ends says that what reached the old one must not go on for ever.
func ends(old, now wire.Backend) bool {
	return now.Draining && !old.Draining || !maps.Equal(old.Addresses, now.Addresses)
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

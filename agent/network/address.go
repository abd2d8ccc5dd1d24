package network

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/planted"
)

// attachment is a task's place in the network. It is kept on disk, and outlives
// the task for as long as others may still send to its addresses.
type attachment struct {
	Task string `cbor:"1,keyasint"`
	// Link is the name of the container's link in the router.
	Link      string                `cbor:"2,keyasint"`
	Addresses map[string]netip.Addr `cbor:"3,keyasint"` // by network ID
	Networks  []string              `cbor:"4,keyasint"` // their order
	// Source is the network that it leaves the overlay from; empty: it may not.
	Source string       `cbor:"5,keyasint,omitempty"`
	DNS    []netip.Addr `cbor:"6,keyasint,omitempty"` // the service's own servers
	App    string       `cbor:"7,keyasint,omitempty"`
	Search []string     `cbor:"9,keyasint,omitempty"` // its resolv.conf's
	// Freed is when the task gave it back; zero while it is in use.
	Freed time.Time `cbor:"8,keyasint,omitzero"`

	// unseen is a revision from which on managers name the task to nobody; the addresses
	// are free once every node has acted on it. 0: it is not known yet.
	unseen int64
}

// allocator gives tasks addresses from the node's own blocks: in turn, so that an
// address rests for as long as it can before it is used again.
type allocator struct {
	attachments map[string]*attachment // by task
	last        map[string]netip.Addr  // by network: the newest one given
	// assigned are the node's tasks at the revision told, as managers have them; nil and
	// 0 before they have said.
	assigned map[string]bool
	told     int64
}

func newAllocator() *allocator {
	return &allocator{attachments: make(map[string]*attachment), last: make(map[string]netip.Addr)}
}

// attach returns the task's attachment, which it makes if there is none or if it
// was on other networks. An error wraps api.CodeUnavailable: it may succeed later.
func (a *allocator) attach(want attachment, t *tables) (*attachment, error) {
	if existing := a.attachments[want.Task]; existing != nil {
		if slices.Equal(existing.Networks, want.Networks) {
			want.Addresses, want.Link, want.unseen = existing.Addresses, existing.Link, existing.unseen
			a.attachments[want.Task] = &want
			return &want, nil
		}
	}
	want.Addresses = make(map[string]netip.Addr, len(want.Networks))
	want.Link = linkName(want.Task)
	taken := a.taken()
	for _, network := range want.Networks {
		address, err := a.choose(network, t, taken)
		if err != nil {
			return nil, err
		}
		address = planted.Address(network, address)
		taken[address] = true
		want.Addresses[network] = address
	}
	maps.Copy(a.last, want.Addresses)
	a.attachments[want.Task] = &want
	return &want, nil
}

func (a *allocator) taken() map[netip.Addr]bool {
	taken := make(map[netip.Addr]bool)
	for _, each := range a.attachments {
		for _, address := range each.Addresses {
			taken[address] = true
		}
	}
	return taken
}

// choose finds the first address after the last one given.
func (a *allocator) choose(id string, t *tables, taken map[netip.Addr]bool) (netip.Addr, error) {
	network, known := t.Networks[id]
	if !known {
		return netip.Addr{}, api.Errorf(api.CodeUnavailable, "waits to be told of network %s", api.ShortID(id))
	}
	prefixes := t.own(id)
	if len(prefixes) == 0 && !t.lacks(id) {
		return netip.Addr{}, api.Errorf(api.CodeUnavailable, "waits for addresses on network %s (%s)", network.Name, network.Subnet)
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	var first netip.Addr
	for _, prefix := range prefixes {
		for address := prefix.Addr(); prefix.Contains(address); address = address.Next() {
			if taken[address] || reserved(network.Subnet, address) {
				continue
			}
			if a.last[id].Less(address) {
				return address, nil
			}
			if !first.IsValid() {
				first = address
			}
		}
	}
	if !first.IsValid() && t.lacks(id) {
		return first, api.Errorf(api.CodeUnavailable, "waits for an address on network %s: its subnet %s has none left for this node", network.Name, network.Subnet)
	}
	if !first.IsValid() {
		return first, api.Errorf(api.CodeUnavailable, "waits for a free address on network %s (%s): this node's are in use, or some node may still send to them",
			network.Name, network.Subnet)
	}
	return first, nil
}

// reserved are a subnet's first and last address: some programs take them for
// broadcasts.
func reserved(subnet netip.Prefix, address netip.Addr) bool {
	return subnet.Bits() < 31 && (address == subnet.Addr() || !subnet.Contains(address.Next()))
}

// own are the node's blocks of a network.
func (t *tables) own(network string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, block := range t.Blocks {
		if block.Network == network && block.Node == t.Number {
			prefixes = append(prefixes, block.Prefixes...)
		}
	}
	return prefixes
}

// lacks says that the node has more tasks on a network than addresses, and that it
// can get no more.
func (t *tables) lacks(network string) bool {
	for _, block := range t.Blocks {
		if block.Network == network && block.Node == t.Number && block.Lacks {
			return true
		}
	}
	return false
}

// free gives a task's addresses back. It returns nil when it had none.
func (a *allocator) free(task string, now time.Time) *attachment {
	each := a.attachments[task]
	if each == nil || !each.Freed.IsZero() {
		return nil
	}
	each.Freed = now
	return each
}

// note takes in what managers know of the node's tasks: of which the end is in their
// database, or nothing any more. From that revision on nobody is told to send to them.
func (a *allocator) note(down wire.Down) {
	if down.Revision == 0 {
		return
	}
	// What is full may be of another cluster, which was forced or restored from a snapshot
	// and did not know what was known before, whichever of the two has come further.
	if down.Full || down.Revision < a.told {
		for _, each := range a.attachments {
			each.unseen = 0
		}
	}
	a.told = down.Revision
	if down.Full || a.assigned == nil {
		a.assigned = make(map[string]bool)
	}
	for _, each := range down.Tasks {
		a.assigned[each.Task.ID] = true
	}
	for _, id := range down.Removed {
		delete(a.assigned, id)
	}
	for _, id := range down.Ended {
		if each := a.attachments[id]; each != nil && each.unseen == 0 {
			each.unseen = down.Revision
		}
	}
}

// settle forgets attachments that no node sends to any more, and returns them.
func (a *allocator) settle(settled int64) (gone []*attachment) {
	for task, each := range a.attachments {
		if each.Freed.IsZero() {
			continue
		}
		if each.unseen == 0 && a.told > 0 && !a.assigned[task] {
			each.unseen = a.told
		}
		if each.unseen > 0 && settled >= each.unseen {
			delete(a.attachments, task)
			gone = append(gone, each)
		}
	}
	return gone
}

// linkName is a container's link's in the router: 15 characters at most
// (IFNAMSIZ), and hardly ever the same for two tasks.
func linkName(task string) string { return "o" + task[:min(len(task), 14)] }

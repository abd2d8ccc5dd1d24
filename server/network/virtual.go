package network

import (
	"net/netip"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// page is what a ledger knows of one network's addresses.
type page struct {
	network *api.Network
	virtual map[netip.Addr]string // whose, by service ID
	space   *space                // what no block has; nil until it is needed
}

// page reads a network's virtual addresses, once.
func (l *Ledger) page(network *api.Network) *page {
	if known := l.pages[network.ID]; known != nil {
		return known
	}
	p := &page{network: network, virtual: make(map[netip.Addr]string)}
	l.pages[network.ID] = p
	for endpoint := range store.All[api.Endpoint](l.snapshot) {
		if _, drafted := l.endpoints[endpoint.ID]; drafted {
			continue
		}
		if at, found := endpoint.Virtual[network.ID]; found {
			p.virtual[at] = endpoint.ID
		}
	}
	for id, endpoint := range l.endpoints {
		if endpoint != nil {
			if at, found := endpoint.Virtual[network.ID]; found {
				p.virtual[at] = id
			}
		}
	}
	return p
}

// free is what of the network no block has.
func (l *Ledger) free(p *page) *space {
	if p.space == nil {
		var taken []netip.Prefix
		for block := range store.Find[api.Block](l.snapshot, store.ByNetwork, p.network.ID) {
			if l.blocks[block.ID] == nil {
				taken = append(taken, block.Prefixes...)
			}
		}
		for _, drafted := range l.blocks {
			if drafted.after.Network == p.network.ID {
				taken = append(taken, drafted.after.Prefixes...)
			}
		}
		p.space = newSpace(p.network.Subnet, taken)
	}
	return p.space
}

// address gives a service its address on a network: the one after that which was
// given last, so that none comes back soon. Clients may know an old one for a while.
func (l *Ledger) address(p *page, service string) (netip.Addr, error) {
	block := l.block(p.network.ID, "")
	found, ok := p.after(block.Prefixes, block.Last)
	if !ok {
		prefix, room := l.free(p).carveUpTo(lengthFor(max(firstVirtual(p.network.Subnet), capacity(block.Prefixes))))
		if !room {
			return netip.Addr{}, api.Conflictf("network %s has no address left for service %s: all of its subnet %s is in use; see `orc network inspect %s`",
				p.network.Name, l.service(service), p.network.Subnet, p.network.Name)
		}
		block.Prefixes = append(block.Prefixes, prefix)
		found, _ = p.after([]netip.Prefix{prefix}, netip.Addr{})
	}
	block.Last, p.virtual[found] = found, service
	return found, nil
}

// firstVirtual is how many virtual addresses a network has room for at first.
func firstVirtual(subnet netip.Prefix) int { return min(max(size(subnet)/64, 1), 64) }

func capacity(prefixes []netip.Prefix) int {
	n := 0
	for _, prefix := range prefixes {
		n += size(prefix)
	}
	return n
}

// after is the next free address behind one, and then from the beginning.
func (p *page) after(prefixes []netip.Prefix, behind netip.Addr) (netip.Addr, bool) {
	var first, next netip.Addr
	for _, prefix := range prefixes {
		for at := prefix.Addr(); prefix.Contains(at); at = at.Next() {
			if _, taken := p.virtual[at]; taken || !api.Assignable(p.network.Subnet, at) {
				continue
			}
			if !first.IsValid() || at.Less(first) {
				first = at
			}
			if behind.IsValid() && behind.Less(at) && (!next.IsValid() || at.Less(next)) {
				next = at
			}
		}
	}
	if next.IsValid() {
		return next, true
	}
	return first, first.IsValid()
}

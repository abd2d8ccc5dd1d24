package network

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/orc-project/orc/agent/network/link"
	"github.com/orc-project/orc/agent/network/rules"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// view is what a node's intended state is derived from.
type view struct {
	*tables
	attachments map[string]*attachment
	host        link.Host
	underlay    netip.Addr
	indexes     rules.Links
}

// links derives what there should be of links and routes.
func (v *view) links() link.State {
	state := link.State{Number: v.Number, Underlay: v.underlay, DataPort: v.DataPort}
	for _, peer := range v.Peers {
		state.Peers = append(state.Peers, link.Peer{Number: peer.Number, Address: peer.Address})
	}
	for _, network := range v.Networks {
		state.Subnets = append(state.Subnets, network.Subnet)
	}
	for _, block := range v.Blocks {
		if block.Node == v.Number {
			continue
		}
		for _, prefix := range block.Prefixes {
			state.Blocks = append(state.Blocks, link.Block{Prefix: prefix, Node: block.Node})
		}
	}
	return state
}

// list is the attachment's addresses in the order of its networks.
func (a *attachment) list() []netip.Addr {
	addresses := make([]netip.Addr, len(a.Networks))
	for i, network := range a.Networks {
		addresses[i] = a.Addresses[network]
	}
	return addresses
}

// rules derives the packet rules.
func (v *view) rules() rules.State {
	state := rules.State{
		Links:         rules.Links{Host: v.indexes.Host, Overlay: v.indexes.Overlay},
		Services:      make(map[netip.Addr][]netip.Addr, len(v.Services)),
		Ports:         make(map[rules.Port]rules.Published),
		Containers:    make(map[string]rules.Container, len(v.attachments)),
		HostAddresses: v.host.Addresses,
	}
	for _, egress := range v.host.Egress {
		state.Egress = append(state.Egress, rules.Egress{Prefix: egress.Prefix, Source: egress.Source})
	}
	for id, network := range v.Networks {
		state.Subnets = append(state.Subnets, rules.Subnet{Prefix: network.Subnet, Isolated: id == api.IngressID})
	}
	for _, peer := range v.Peers {
		if peer.Address.IsValid() {
			state.Nodes = append(state.Nodes, peer.Number)
		}
	}
	// In one order, for it counts as a change.
	slices.SortFunc(state.Subnets, func(a, b rules.Subnet) int { return a.Prefix.Compare(b.Prefix) })
	slices.Sort(state.Nodes)
	for _, each := range v.attachments {
		if each.Freed.IsZero() {
			state.Containers[each.Link] = rules.Container{Addresses: each.list(), Egress: each.Source != ""}
		}
	}
	ready := v.ready()
	for id, service := range v.Services {
		for network, place := range service.Networks {
			if place.Virtual.IsValid() && network != api.IngressID {
				if backends := addresses(ready[id], network); len(backends) > 0 {
					state.Services[place.Virtual] = backends
				}
			}
		}
		for _, port := range service.Ports {
			if published, any := v.publish(port, ready[id]); any {
				state.Ports[rules.Port{Proto: protocol(port.Protocol), Number: port.Published}] = published
			}
		}
	}
	return state
}

// publish finds where connections to a published port go from this node.
func (v *view) publish(port api.Port, ready []wire.Backend) (published rules.Published, any bool) {
	if port.HostIP != "" {
		address, err := netip.ParseAddr(port.HostIP)
		if err != nil {
			return published, false // managers let none through
		}
		if !address.IsUnspecified() {
			published.HostIP = address
		}
	}
	local := slices.DeleteFunc(slices.Clone(ready), func(b wire.Backend) bool { return b.Node != v.Number })
	if port.Mode == "host" || port.LocalFirst && len(local) > 0 {
		ready = local
	}
	for _, address := range addresses(ready, api.IngressID) {
		published.Backends = append(published.Backends, netip.AddrPortFrom(address, port.Target))
	}
	return published, len(published.Backends) > 0
}

// ready are the backends that get new connections, by service, in the order of
// their slots: the same on every node.
func (v *tables) ready() map[string][]wire.Backend {
	byService := make(map[string][]wire.Backend, len(v.Services))
	here := v.here()
	for _, task := range slices.Sorted(maps.Keys(v.Backends)) {
		if backend := v.Backends[task]; here.takes(backend) {
			byService[backend.Service] = append(byService[backend.Service], backend)
		}
	}
	for _, backends := range byService {
		slices.SortStableFunc(backends, func(a, b wire.Backend) int { return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Node, b.Node)) })
	}
	return byService
}

// here are the services that have a backend, not a leaving one, on a node that is not
// down.
type here map[string]bool

func (v *tables) here() here {
	services := make(here, len(v.Services))
	for _, backend := range v.Backends {
		if !backend.Draining && !backend.Away {
			services[backend.Service] = true
		}
	}
	return services
}

// takes says that a backend gets new connections.
func (h here) takes(backend wire.Backend) bool {
	return !backend.Draining && (!backend.Away || !h[backend.Service])
}

func addresses(backends []wire.Backend, network string) []netip.Addr {
	found := make([]netip.Addr, 0, len(backends))
	for _, backend := range backends {
		if address := backend.Addresses[network]; address.IsValid() {
			found = append(found, address)
		}
	}
	return found
}

func protocol(name string) uint8 {
	if name == "udp" {
		return 17
	}
	return 6
}

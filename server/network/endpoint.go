package network

import (
	"net/netip"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Wish is a service as a draft leaves it. Spec nil says that it goes.
type Wish struct {
	Service *api.Service
	Spec    *api.ServiceSpec
}

// Endpoints are what the services are to be reached at, in the order of the wishes;
// nil for those that are reached at nothing. What a service has, it keeps. Ports
// that were asked for come before those that the cluster chooses.
func (l *Ledger) Endpoints(wishes []Wish) ([]*api.Endpoint, error) {
	before := make([]*api.Endpoint, len(wishes))
	for i, wish := range wishes {
		l.names[wish.Service.ID] = wish.Service.Name
		before[i] = l.endpoint(wish.Service.ID)
		l.release(wish.Service.ID, before[i])
	}
	after := make([]*api.Endpoint, len(wishes))
	for i, wish := range wishes {
		if wish.Spec == nil || !reachable(wish.Spec) {
			continue
		}
		after[i] = &api.Endpoint{Ports: slices.Clone(wish.Spec.Ports)}
		after[i].ID = wish.Service.ID
		if err := l.takeAsked(wish, before[i]); err != nil {
			return nil, err
		}
	}
	for i, wish := range wishes {
		if after[i] == nil {
			continue
		}
		if err := l.chooseRest(wish, before[i], after[i]); err != nil {
			return nil, err
		}
		l.endpoints[wish.Service.ID] = after[i]
	}
	return after, nil
}

// endpoint is a service's, as the draft has it, or nil.
func (l *Ledger) endpoint(service string) *api.Endpoint {
	if drafted, ok := l.endpoints[service]; ok {
		return drafted
	}
	return store.Get[api.Endpoint](l.snapshot, service)
}

// release makes what a service has free for others of the draft.
func (l *Ledger) release(service string, before *api.Endpoint) {
	l.endpoints[service] = nil
	if l.ports != nil {
		l.ports.release(service)
	}
	if before == nil {
		return
	}
	for network, at := range before.Virtual {
		if p := l.pages[network]; p != nil && p.virtual[at] == service {
			delete(p.virtual, at)
		}
	}
}

// takeAsked takes what is not to be chosen: addresses that the service has, and the
// ports that its spec names.
func (l *Ledger) takeAsked(wish Wish, before *api.Endpoint) error {
	if before != nil {
		for network, at := range before.Virtual {
			if p := l.pageOf(network); p != nil && virtualOn(wish.Spec, network) && p.network.Subnet.Contains(at) {
				p.virtual[at] = wish.Service.ID
			}
		}
	}
	if err := twice(wish.Service.Name, wish.Spec.Ports); err != nil {
		return err
	}
	var numbered []api.Port
	for _, port := range wish.Spec.Ports {
		if port.Published == 0 {
			continue
		}
		if err := l.asked(wish.Service.ID, port); err != nil {
			return err
		}
		numbered = append(numbered, port)
	}
	if len(wish.Spec.Ports) > 0 {
		l.portBook().hold(wish.Service.ID, numbered, numbered)
		if before == nil || !api.EqualSpec(before.Ports, wish.Spec.Ports) {
			l.reserve()
		}
	}
	return nil
}

// chooseRest fills in an endpoint's addresses and automatic ports.
func (l *Ledger) chooseRest(wish Wish, before, after *api.Endpoint) error {
	for _, network := range virtualNetworks(wish.Spec) {
		p := l.pageOf(network)
		if p == nil {
			continue // its subnet is still to come: see Keeper
		}
		at, kept := netip.Addr{}, false
		if before != nil {
			at, kept = before.Virtual[network]
		}
		if !kept || p.virtual[at] != wish.Service.ID {
			var err error
			if at, err = l.address(p, wish.Service.ID); err != nil {
				return err
			}
		}
		if after.Virtual == nil {
			after.Virtual = make(map[string]netip.Addr)
		}
		after.Virtual[network] = at
	}
	var had []api.Port
	if before != nil {
		had = before.Ports
	}
	mine := make(map[portKey]bool)
	for i := range after.Ports {
		port := &after.Ports[i]
		if port.Published != 0 {
			continue
		}
		number, err := l.automatic(wish.Service.ID, *port, had, mine)
		if err != nil {
			return err
		}
		mine[portKey{port.Protocol, number}] = true
		asked := *port
		port.Published = number
		l.ports.hold(wish.Service.ID, []api.Port{asked}, []api.Port{*port})
	}
	return nil
}

// pageOf is the page of a network that has a subnet, or nil.
func (l *Ledger) pageOf(network string) *page {
	found := l.network(network)
	if found == nil || !found.Subnet.IsValid() {
		return nil
	}
	return l.page(found)
}

// reachable says whether a service has an endpoint at all.
func reachable(spec *api.ServiceSpec) bool {
	return len(spec.Ports) > 0 || len(virtualNetworks(spec)) > 0
}

// virtualNetworks are those on which a service has a virtual address. The ingress
// network is not among them: nobody reaches anybody over it by an address.
func virtualNetworks(spec *api.ServiceSpec) []string {
	if spec.Endpoint == api.EndpointDNSRR || spec.NetworkMode != "" {
		return nil
	}
	var ids []string
	for _, attachment := range spec.Networks {
		if attachment.Network != api.IngressID {
			ids = append(ids, attachment.Network)
		}
	}
	return ids
}

func virtualOn(spec *api.ServiceSpec, network string) bool {
	return slices.Contains(virtualNetworks(spec), network)
}

func currentSpec(snapshot *store.Snapshot, service *api.Service) *api.ServiceSpec {
	if revision := store.Get[api.Revision](snapshot, api.RevisionID(service.ID, service.Current)); revision != nil {
		return &revision.Spec
	}
	return nil
}

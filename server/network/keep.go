package network

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/store"
)

// Plan decides about everything that changed since the last plan or whose time has
// come. A step's Service is here the network or the service that it is about.
func (k *Keeper) Plan(now time.Time) scheduler.Plan {
	for id, at := range k.wakes {
		if !at.After(now) {
			k.blocks[id] = true
			delete(k.wakes, id)
		}
	}
	for id, n := range k.left {
		for range n {
			k.resting[id] = append(k.resting[id], now.Add(restFor))
		}
	}
	clear(k.left)
	var plan scheduler.Plan
	// What one of these takes the next must know of: each is a plan of its own.
	if plan.Steps = first(k.networks, k.subnet); len(plan.Steps) > 0 {
		return plan
	}
	if plan.Steps = first(k.services, k.connect); len(plan.Steps) > 0 {
		return plan
	}
	for _, marked := range k.marked() {
		plan.Steps = append(plan.Steps, k.share(marked, now)...)
	}
	for _, at := range k.wakes {
		if plan.Wake.IsZero() || at.Before(plan.Wake) {
			plan.Wake = at
		}
	}
	return plan
}

// first plans for the first of those marked about which something is to be done. A
// mark goes only when nothing is.
func first(marks map[string]bool, plan func(id string) []scheduler.Step) []scheduler.Step {
	for _, id := range slices.Sorted(maps.Keys(marks)) {
		if steps := plan(id); len(steps) > 0 {
			return steps
		}
		delete(marks, id)
	}
	return nil
}

// subnet gives a network a subnet that has none: the ingress network, once a node
// has told what it reaches by itself, and those of a database that knew no subnets.
func (k *Keeper) subnet(id string) []scheduler.Step {
	before, after := store.Get[api.Network](k.snapshot, id), newIngress()
	switch {
	case before != nil && before.Subnet.IsValid():
		return nil
	case before != nil:
		*after = *before
	case id != api.IngressID || !anybodySeen(k.snapshot):
		return nil
	}
	ledger := Open(k.snapshot)
	if ledger.AddNetwork(after) != nil {
		return nil // tried again when the pools or the nodes change
	}
	reason := "network " + after.Name + " has none yet"
	return steps(giveSubnet, id, reason, append(ledger.Blocks(), Change{object(before), after})...)
}

// connect mends a service's endpoint: after a rollback, which moves the service
// alone, or in a database that knew no endpoints.
func (k *Keeper) connect(id string) []scheduler.Step {
	service := store.Get[api.Service](k.snapshot, id)
	before := store.Get[api.Endpoint](k.snapshot, id)
	if service == nil {
		if before == nil {
			return nil
		}
		return steps(makeEndpoint, id, "its service is gone", Change{before, nil})
	}
	spec := currentSpec(k.snapshot, service)
	if spec == nil || complete(k.snapshot, spec, before) {
		return nil
	}
	ledger, after := k.endpoint(service, *spec, before)
	if api.EqualSpec(endpointOf(before), endpointOf(after)) {
		return nil // what it lacks is tried again when any service changes
	}
	reason := "it does not fit what service " + service.Name + " asks for"
	switch {
	case len(after.Lacks) > 0:
		reason = strings.Join(after.Lacks, "; ")
	case before != nil && len(before.Lacks) > 0:
		reason = "what it lacked is free"
	}
	return steps(makeEndpoint, id, reason, append(ledger.Blocks(), Change{object(before), object(after)})...)
}

// endpoint is what a service can be reached at. What others have by now is left out,
// and said in Lacks.
func (k *Keeper) endpoint(service *api.Service, spec api.ServiceSpec, before *api.Endpoint) (*Ledger, *api.Endpoint) {
	ledger := Open(k.snapshot)
	var lacks []string
	spec.Ports, lacks = ledger.attainable(service, spec.Ports)
	after := &api.Endpoint{}
	endpoints, err := ledger.Endpoints([]Wish{{service, &spec}})
	if err != nil { // no automatic port or no address is left
		lacks = append(lacks, err.Error())
		spec.Ports, ledger = nil, Open(k.snapshot)
		endpoints, err = ledger.Endpoints([]Wish{{service, &spec}})
	}
	switch {
	case err != nil: // no address
		ledger = Open(k.snapshot)
		after.Virtual = kept(&spec, before)
	case endpoints[0] != nil:
		after = endpoints[0]
	}
	after.ID, after.Lacks = service.ID, lacks
	return ledger, after
}

// kept are the addresses that a service has on networks that it is on.
func kept(spec *api.ServiceSpec, before *api.Endpoint) map[string]netip.Addr {
	if before == nil {
		return nil
	}
	virtual := maps.Clone(before.Virtual)
	maps.DeleteFunc(virtual, func(network string, _ netip.Addr) bool { return !virtualOn(spec, network) })
	return virtual
}

// endpointOf is what an endpoint says, without what the store adds.
func endpointOf(e *api.Endpoint) api.Endpoint {
	if e == nil {
		return api.Endpoint{}
	}
	return api.Endpoint{Virtual: e.Virtual, Ports: e.Ports, Lacks: e.Lacks}
}

// complete says whether an endpoint is all that a spec asks for.
func complete(snapshot *store.Snapshot, spec *api.ServiceSpec, e *api.Endpoint) bool {
	if e == nil {
		return !reachable(spec)
	}
	if len(e.Lacks) > 0 {
		return false
	}
	networks := virtualNetworks(spec)
	for _, network := range networks {
		if _, found := e.Virtual[network]; !found && store.Get[api.Network](snapshot, network) != nil {
			return false
		}
	}
	return len(e.Virtual) <= len(networks) && slices.EqualFunc(spec.Ports, e.Ports, func(asked, given api.Port) bool {
		if asked.Published == 0 {
			asked.Published = given.Published
		}
		return asked == given && given.Published != 0
	})
}

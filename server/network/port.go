package network

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// portKey is a port of the cluster. One that is published on every node is there
// once, whatever host address it is bound to.
type portKey struct {
	protocol string
	number   uint16
}

// holder is a service that publishes a port, or will again if its update fails.
type holder struct {
	service   string
	ingress   bool
	automatic bool
	returning bool
}

// portBook is who publishes what.
type portBook struct {
	held map[portKey][]holder
	own  map[portKey]string // the cluster's own ports, with what they are
}

func (l *Ledger) portBook() *portBook {
	if l.ports != nil {
		return l.ports
	}
	l.ports = &portBook{held: make(map[portKey][]holder), own: l.ownPorts()}
	for service := range store.All[api.Service](l.snapshot) {
		if _, drafted := l.endpoints[service.ID]; drafted {
			continue
		}
		if spec := currentSpec(l.snapshot, service); spec != nil && len(spec.Ports) > 0 {
			l.ports.hold(service.ID, spec.Ports, l.published(service.ID, spec))
		}
	}
	for rollout := range store.All[api.Rollout](l.snapshot) {
		_, drafted := l.endpoints[rollout.ID]
		if ports := l.wayBack(rollout); !drafted && len(ports) > 0 {
			l.ports.holdForReturn(rollout.ID, ports, l.inUse())
		}
	}
	return l.ports
}

// published are a service's ports with their numbers, as far as they have one.
func (l *Ledger) published(service string, spec *api.ServiceSpec) []api.Port {
	endpoint := store.Get[api.Endpoint](l.snapshot, service)
	if endpoint != nil && (len(endpoint.Ports) == len(spec.Ports) || len(endpoint.Lacks) > 0) {
		return endpoint.Ports
	}
	return spec.Ports
}

// wayBack are the ports that a service publishes again if its update fails and the
// leader rolls it back.
func (l *Ledger) wayBack(rollout *api.Rollout) []api.Port {
	service := store.Get[api.Service](l.snapshot, rollout.ID)
	if service == nil || rollout.State != api.RolloutUpdating || rollout.To != service.Current {
		return nil
	}
	spec := currentSpec(l.snapshot, service)
	before := store.Get[api.Revision](l.snapshot, api.RevisionID(service.ID, rollout.From))
	if spec == nil || spec.Update.FailureAction != api.FailureRollback || before == nil {
		return nil
	}
	return before.Spec.Ports
}

// hold notes a service's ports; asked are they as the spec has them.
func (b *portBook) hold(service string, asked, published []api.Port) {
	for _, port := range published {
		if port.Published != 0 {
			key := portKey{port.Protocol, port.Published}
			named := slices.ContainsFunc(asked, func(a api.Port) bool { return a.Protocol == port.Protocol && a.Published == port.Published })
			b.held[key] = append(b.held[key], holder{service: service, ingress: port.Mode == "ingress", automatic: !named})
		}
	}
}

// inUse are the ports that services are reached at before the draft.
func (l *Ledger) inUse() map[portKey]bool {
	used := make(map[portKey]bool)
	for endpoint := range store.All[api.Endpoint](l.snapshot) {
		for _, port := range endpoint.Ports {
			used[portKey{port.Protocol, port.Published}] = true
		}
	}
	return used
}

// holdForReturn notes the ports that a service may come back to, but for those that
// are in use: who has one keeps it.
func (b *portBook) holdForReturn(service string, ports []api.Port, used map[portKey]bool) {
	for _, port := range ports {
		if key := (portKey{port.Protocol, port.Published}); port.Published != 0 && !used[key] {
			b.held[key] = append(b.held[key], holder{service: service, ingress: port.Mode == "ingress", returning: true})
		}
	}
}

func (b *portBook) release(service string) {
	for key, holders := range b.held {
		left := slices.DeleteFunc(holders, func(h holder) bool { return h.service == service })
		if len(left) == 0 {
			delete(b.held, key)
			continue
		}
		b.held[key] = left
	}
}

// ownPorts are those that orc itself listens on: published, they would cut the
// cluster off from itself.
func (l *Ledger) ownPorts() map[portKey]string {
	own := map[portKey]string{{"udp", l.settings.Data()}: "is what nodes send each other containers' packets on"}
	for node := range store.All[api.Node](l.snapshot) {
		_, text, err := net.SplitHostPort(node.API)
		if err != nil {
			continue // a worker
		}
		if number, err := strconv.ParseUint(text, 10, 16); err == nil {
			own[portKey{"tcp", uint16(number)}] = "is that of the managers' API"
			own[portKey{"tcp", uint16(number) + 1}] = "is that of the managers' database"
		}
	}
	return own
}

// asked checks a port whose number the user chose.
func (l *Ledger) asked(service string, port api.Port) error {
	if why := l.taken(service, port); why != "" {
		return api.Conflictf("service %s: port %d/%s %s", l.service(service), port.Published, port.Protocol, why)
	}
	return nil
}

// taken says why a service cannot have a port, or "".
func (l *Ledger) taken(service string, port api.Port) string {
	key := portKey{port.Protocol, port.Published}
	if why, own := l.portBook().own[key]; own {
		return why + ": publish another"
	}
	ingress := port.Mode == "ingress"
	for _, other := range l.portBook().held[key] {
		switch {
		case other.service == service || !ingress && !other.ingress && !other.automatic:
		case other.returning:
			return "is what service " + l.service(other.service) + " goes back to if its update fails: publish another, or wait for that to end"
		default:
			return "is published by service " + l.service(other.service) + " already"
		}
	}
	return ""
}

// attainable are the ports of a spec that a service can have now, and a sentence
// about each of the others.
func (l *Ledger) attainable(service *api.Service, ports []api.Port) (free []api.Port, lacks []string) {
	for _, port := range ports {
		why := ""
		if port.Published != 0 {
			why = l.taken(service.ID, port)
		}
		if why == "" {
			free = append(free, port)
			continue
		}
		lacks = append(lacks, fmt.Sprintf("port %d/%s %s; service %s gets it once it is free", port.Published, port.Protocol, why, service.Name))
	}
	return free, lacks
}

// automatic chooses a number for a port without one. before are the service's ports
// up to now: a number that it has, it keeps.
func (l *Ledger) automatic(service string, port api.Port, before []api.Port, mine map[portKey]bool) (uint16, error) {
	book := l.portBook()
	free := func(number uint16) bool {
		key := portKey{port.Protocol, number}
		return len(book.held[key]) == 0 && book.own[key] == "" && !mine[key]
	}
	for _, old := range before {
		if old.Protocol == port.Protocol && old.Target == port.Target && old.Mode == port.Mode &&
			old.Published >= api.MinAutomaticPort && old.Published <= api.MaxAutomaticPort && free(old.Published) {
			return old.Published, nil
		}
	}
	const all = api.MaxAutomaticPort - api.MinAutomaticPort + 1
	guard := l.reserve()
	next := max(guard.LastPort, api.MinAutomaticPort-1)
	for range all {
		if next++; next > api.MaxAutomaticPort {
			next = api.MinAutomaticPort
		}
		if free(next) {
			guard.LastPort = next
			return next, nil
		}
	}
	return 0, api.Conflictf("service %s: port %d/%s: all of the automatic ports %d to %d are in use: choose one of another range",
		l.service(service), port.Target, port.Protocol, api.MinAutomaticPort, api.MaxAutomaticPort)
}

// twice refuses one port of a service for two of its containers' ports: on a node
// it leads to one.
func twice(service string, ports []api.Port) error {
	type lead struct {
		target uint16
		mode   string
	}
	leads := make(map[portKey]lead)
	for _, port := range ports {
		if port.Published == 0 {
			continue
		}
		key, to := portKey{port.Protocol, port.Published}, lead{port.Target, port.Mode}
		if other, again := leads[key]; again && other != to {
			return api.Invalidf("service %s: port %d/%s is published for both %d (%s) and %d (%s): one port leads to one, on whichever address",
				service, port.Published, port.Protocol, other.target, other.mode, to.target, to.mode)
		}
		leads[key] = to
	}
	return nil
}

package network

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/orc-project/orc/agent/network/dns"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// names derives what the DNS server answers: anew for the networks that changed (nil
// stands for all), from the table before for the others. On a network, a service is
// reached by its name and its aliases, its tasks by tasks.SERVICE, and each by its own
// name and by its container's host name; package dns derives the names within an app.
// Nothing is reached by name over the ingress network.
func (v *view) names(before dns.Table, changed map[string]bool) dns.Table {
	table := dns.Table{Askers: v.askers(), Networks: make(map[string]*dns.Network, len(v.Networks))}
	lists := make(map[string]*nameList, len(changed))
	for id, network := range v.Networks {
		table.Subnets = append(table.Subnets, network.Subnet)
		switch earlier := before.Networks[id]; {
		case id == api.IngressID:
		case changed != nil && !changed[id] && earlier != nil:
			table.Networks[id] = earlier
		default:
			lists[id] = &nameList{name: strings.ToLower(network.Name), names: make(map[string][]netip.Addr), reverse: make(map[netip.Addr]string)}
		}
	}
	slices.SortFunc(table.Subnets, netip.Prefix.Compare)
	if len(lists) == 0 {
		return table
	}
	ready := v.ready()
	for id, service := range v.Services {
		for network, place := range service.Networks {
			if list := lists[network]; list != nil {
				list.service(service, place, ready[id], network)
			}
		}
	}
	for id, list := range lists {
		table.Networks[id] = &dns.Network{
			Name: list.name, Names: dns.Map[string, []netip.Addr]{}.With(list.names), Reverse: dns.Map[netip.Addr, string]{}.With(list.reverse),
		}
	}
	return table
}

func (v *view) askers() map[netip.Addr]dns.Asker {
	askers := make(map[netip.Addr]dns.Asker, len(v.attachments))
	for _, each := range v.attachments {
		if !each.Freed.IsZero() {
			continue
		}
		asker := dns.Asker{App: each.App, Networks: each.Networks, Search: each.Search}
		for _, server := range each.DNS {
			asker.Upstreams = append(asker.Upstreams, netip.AddrPortFrom(server, 53))
		}
		for _, address := range each.Addresses {
			askers[address] = asker
		}
	}
	return askers
}

// nameList is what is known on one network.
type nameList struct {
	name    string
	names   map[string][]netip.Addr
	reverse map[netip.Addr]string
}

func (l *nameList) add(name string, addresses ...netip.Addr) {
	name = strings.ToLower(name)
	known := l.names[name]
	for _, address := range addresses {
		if !slices.Contains(known, address) {
			known = append(known, address)
		}
	}
	l.names[name] = known // without an address it is known all the same
}

func (l *nameList) service(service wire.Service, place wire.ServiceNetwork, ready []wire.Backend, network string) {
	tasks := addresses(ready, network)
	answer := tasks
	if place.Virtual.IsValid() {
		answer = []netip.Addr{place.Virtual}
		l.reverse[place.Virtual] = service.Name + "." + l.name
	}
	l.add(service.Name, answer...)
	l.add("tasks."+service.Name, tasks...)
	for _, alias := range place.Aliases {
		l.add(alias, answer...)
	}
	for _, backend := range ready {
		address := backend.Addresses[network]
		if !address.IsValid() {
			continue
		}
		l.reverse[address] = backend.Name + "." + l.name
		l.add(backend.Name, address)
		if backend.Hostname != "" {
			l.add(backend.Hostname, address)
		}
	}
}

package network

import (
	"maps"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Fit refuses services for which their networks have too few addresses, whatever
// nodes their tasks are on: each task takes one, each service its virtual one.
func (l *Ledger) Fit(wishes []Wish) error {
	ours := make(map[string]bool)
	wanted := make(map[string]int)
	growing := make(map[string]string) // network → a service that asks for more
	for _, wish := range wishes {
		ours[wish.Service.ID] = true
		if wish.Spec == nil {
			continue
		}
		before := store.Get[api.Service](l.snapshot, wish.Service.ID)
		for network, n := range l.needs(wish.Service, wish.Spec) {
			wanted[network] += n
			if before == nil || l.needsNow(before)[network] < n {
				growing[network] = wish.Service.Name
			}
		}
	}
	if len(growing) == 0 {
		return nil
	}
	for service := range store.All[api.Service](l.snapshot) {
		if ours[service.ID] {
			continue
		}
		for network, n := range l.needsNow(service) {
			wanted[network] += n
		}
	}
	for _, id := range slices.Sorted(maps.Keys(growing)) {
		network := l.network(id)
		if network == nil || !network.Subnet.IsValid() {
			continue
		}
		if room := usable(network.Subnet, network.Subnet); wanted[id] > room {
			return api.Conflictf("service %s: network %s has %d addresses (%s), and the services on it need %d with this one: use a network with a larger --subnet, or fewer replicas",
				growing[id], network.Name, room, network.Subnet, wanted[id])
		}
	}
	return nil
}

// needsNow is what a service that is stored needs.
func (l *Ledger) needsNow(service *api.Service) map[string]int {
	spec := currentSpec(l.snapshot, service)
	if spec == nil {
		return nil
	}
	return l.needs(service, spec)
}

// needs is how many addresses a service takes of each of its networks.
func (l *Ledger) needs(service *api.Service, spec *api.ServiceSpec) map[string]int {
	attachments := spec.Attachments()
	if len(attachments) == 0 {
		return nil
	}
	tasks := service.Replicas
	switch {
	case spec.Mode.Global():
		tasks = 0 // as many as nodes fit: that is not known before they do
	case spec.Mode == api.ModeReplicatedJob && spec.MaxConcurrent > 0:
		tasks = min(tasks, spec.MaxConcurrent)
	}
	needs := make(map[string]int, len(attachments))
	for _, attachment := range attachments {
		needs[attachment.Network] = tasks
	}
	for _, network := range virtualNetworks(spec) {
		needs[network]++
	}
	return needs
}

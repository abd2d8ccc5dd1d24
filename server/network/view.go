package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// View is a network with what is on it, each in the order of its names.
func View(snapshot *store.Snapshot, of *api.Network) api.NetworkView {
	v := api.NetworkView{
		Network: *of, Services: []api.NetworkService{}, Containers: []api.NetworkContainer{}, Blocks: []api.NetworkBlock{},
	}
	if of.Subnet.IsValid() {
		v.Usable = usable(of.Subnet, of.Subnet)
	}
	viewContainers(snapshot, &v)
	viewBlocks(snapshot, &v)
	viewServices(snapshot, &v)
	warn(snapshot, &v)
	return v
}

func viewContainers(snapshot *store.Snapshot, v *api.NetworkView) {
	for status := range store.All[api.TaskStatus](snapshot) {
		address, on := status.Addresses[v.ID]
		task := store.Get[api.Task](snapshot, status.ID)
		if !on || task == nil || status.State.Terminal() {
			continue
		}
		node := Open(snapshot).node(task.Node)
		container := api.NetworkContainer{Task: task.ID, NodeName: node, Address: address, State: status.State}
		container.Name = api.TaskName(serviceName(snapshot, task), task, node)
		if n := len(status.Attempts); n > 0 {
			container.Container = status.Attempts[n-1].Container
		}
		v.Containers = append(v.Containers, container)
	}
	slices.SortFunc(v.Containers, func(a, b api.NetworkContainer) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Address.Compare(b.Address))
	})
}

func serviceName(snapshot *store.Snapshot, task *api.Task) string {
	if service := store.Get[api.Service](snapshot, task.Service); service != nil {
		return service.Name
	}
	if revision := store.Get[api.Revision](snapshot, api.RevisionID(task.Service, task.Revision)); revision != nil {
		return revision.Spec.Name // its service was removed
	}
	return api.ShortID(task.Service)
}

func viewBlocks(snapshot *store.Snapshot, v *api.NetworkView) {
	used := make(map[string]int)
	for _, container := range v.Containers {
		if task := store.Get[api.Task](snapshot, container.Task); task != nil {
			used[task.Node]++
		}
	}
	var taken []netip.Prefix
	for block := range store.Find[api.Block](snapshot, store.ByNetwork, v.ID) {
		taken = append(taken, block.Prefixes...)
		if block.Node == "" {
			v.Virtual = block.Prefixes
			continue
		}
		v.Blocks = append(v.Blocks, api.NetworkBlock{
			Node: block.Node, NodeName: Open(snapshot).node(block.Node), Prefixes: block.Prefixes,
			Usable: assignable(v.Subnet, block.Prefixes), Used: used[block.Node], Lacks: block.Lacks,
		})
	}
	slices.SortFunc(v.Blocks, func(a, b api.NetworkBlock) int { return strings.Compare(a.NodeName, b.NodeName) })
	if v.Subnet.IsValid() {
		v.Free = newSpace(v.Subnet, taken).room()
	}
}

func viewServices(snapshot *store.Snapshot, v *api.NetworkView) {
	given := 0
	for service := range store.All[api.Service](snapshot) {
		spec := currentSpec(snapshot, service)
		if spec == nil || spec.NetworkMode != "" {
			continue
		}
		endpoint := store.Get[api.Endpoint](snapshot, service.ID)
		view := api.NetworkService{ID: service.ID, Name: service.Name}
		at := slices.IndexFunc(spec.Networks, func(a api.NetworkAttachment) bool { return a.Network == v.ID })
		switch {
		case at >= 0:
			view.Aliases = spec.Networks[at].Aliases
			if endpoint != nil && endpoint.Virtual[v.ID].IsValid() {
				view.Virtual = endpoint.Virtual[v.ID]
				given++
			}
		case v.ID == api.IngressID && endpoint != nil && len(endpoint.Ports) > 0:
			view.Ports = endpoint.Ports
		default:
			continue
		}
		v.Services = append(v.Services, view)
	}
	slices.SortFunc(v.Services, func(a, b api.NetworkService) int { return strings.Compare(a.Name, b.Name) })
	if v.Subnet.IsValid() {
		v.Free += max(assignable(v.Subnet, v.Virtual)-given, 0)
	}
}

// warn says what a person should know of a network.
func warn(snapshot *store.Snapshot, v *api.NetworkView) {
	if !v.Subnet.IsValid() {
		v.Warnings = append(v.Warnings, "it has no subnet yet")
		return
	}
	for _, block := range v.Blocks {
		if block.Lacks {
			v.Warnings = append(v.Warnings, fmt.Sprintf("tasks on node %s wait for an address: all of the subnet %s is given", block.NodeName, v.Subnet))
		}
	}
	for status := range store.All[api.NodeStatus](snapshot) {
		for _, prefix := range hostPrefixes(&status.Info) {
			if prefix.Overlaps(v.Subnet) {
				v.Warnings = append(v.Warnings, fmt.Sprintf("node %s reaches %s without orc, which the subnet %s overlaps: containers there cannot reach both",
					Open(snapshot).node(status.ID), prefix, v.Subnet))
			}
		}
	}
}

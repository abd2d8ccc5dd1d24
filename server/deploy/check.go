package deploy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// finish checks what only the whole draft shows.
func (d *Draft) finish() error {
	if len(d.unbuilt) > 0 {
		slices.Sort(d.unbuilt)
		d.warn("networks and published ports need the overlay network, which this version lacks: %s will use the network of the node, and listen on the container's own ports there",
			strings.Join(slices.Compact(d.unbuilt), ", "))
	}
	return d.checkPorts()
}

// checkPorts refuses a port on all nodes that two services publish.
func (d *Draft) checkPorts() error {
	if !slices.ContainsFunc(slices.Collect(maps.Values(d.services)), publishes) {
		return nil
	}
	taken := make(map[string][]portUse)
	for service := range store.All[api.Service](d.snapshot) {
		if _, ours := d.services[service.ID]; ours {
			continue
		}
		if spec := CurrentSpec(d.snapshot, service); spec != nil {
			occupy(taken, spec)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.services)) {
		spec := d.services[id]
		if spec == nil {
			continue
		}
		for _, port := range ingress(spec) {
			for _, other := range taken[portKey(port)] {
				if overlap(port.HostIP, other.hostIP) {
					return api.Conflictf("service %s: port %d/%s is published by service %s already", spec.Name, port.Published, port.Protocol, other.service)
				}
			}
		}
		occupy(taken, spec)
	}
	return nil
}

type portUse struct{ service, hostIP string }

func occupy(taken map[string][]portUse, spec *api.ServiceSpec) {
	for _, port := range ingress(spec) {
		taken[portKey(port)] = append(taken[portKey(port)], portUse{spec.Name, port.HostIP})
	}
}

func publishes(spec *api.ServiceSpec) bool { return spec != nil && len(ingress(spec)) > 0 }

func ingress(spec *api.ServiceSpec) []api.Port {
	var ports []api.Port
	for _, port := range spec.Ports {
		if port.Mode == "ingress" && port.Published != 0 {
			ports = append(ports, port)
		}
	}
	return ports
}

func portKey(port api.Port) string { return fmt.Sprintf("%d/%s", port.Published, port.Protocol) }

// overlap says whether two host addresses can be the same one.
func overlap(a, b string) bool {
	return a == b || unspecified(a) || unspecified(b)
}

func unspecified(address string) bool {
	parsed, err := netip.ParseAddr(address)
	return address == "" || err == nil && parsed.IsUnspecified()
}

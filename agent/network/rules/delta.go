package rules

import (
	"net/netip"
	"slices"
)

// clone copies a state, so that its owner may go on with it.
func (s State) clone() State {
	s.Services = cloneMap(s.Services, slices.Clone[[]netip.Addr])
	s.Ports = cloneMap(s.Ports, func(p Published) Published { return Published{p.HostIP, slices.Clone(p.Backends)} })
	s.Containers = cloneMap(s.Containers, func(c Container) Container { return Container{slices.Clone(c.Addresses), c.Egress} })
	s.Subnets, s.Nodes = slices.Clone(s.Subnets), slices.Clone(s.Nodes)
	s.HostAddresses, s.Egress = slices.Clone(s.HostAddresses), slices.Clone(s.Egress)
	return s
}

func cloneMap[K comparable, V any](m map[K]V, clone func(V) V) map[K]V {
	copied := make(map[K]V, len(m))
	for key, value := range m {
		copied[key] = clone(value)
	}
	return copied
}

// differ reduces two states to where they are not the same. What is small is in
// both as a whole, or in none.
func differ(old, next State) (gone, came State) {
	gone.Services, came.Services = differing(old.Services, next.Services, slices.Equal[[]netip.Addr])
	gone.Ports, came.Ports = differing(old.Ports, next.Ports, func(a, b Published) bool {
		return a.HostIP == b.HostIP && slices.Equal(a.Backends, b.Backends)
	})
	gone.Containers, came.Containers = differing(old.Containers, next.Containers, func(a, b Container) bool {
		return a.Egress == b.Egress && slices.Equal(a.Addresses, b.Addresses)
	})
	if !slices.Equal(old.Subnets, next.Subnets) {
		gone.Subnets, came.Subnets = old.Subnets, next.Subnets
	}
	if !slices.Equal(old.Nodes, next.Nodes) {
		gone.Nodes, came.Nodes = old.Nodes, next.Nodes
	}
	if !slices.Equal(old.HostAddresses, next.HostAddresses) {
		gone.HostAddresses, came.HostAddresses = old.HostAddresses, next.HostAddresses
	}
	if !slices.Equal(old.Egress, next.Egress) {
		gone.Egress, came.Egress = old.Egress, next.Egress
	}
	return gone, came
}

// differing returns the entries of both maps that the other does not have alike.
func differing[K comparable, V any](old, next map[K]V, equal func(a, b V) bool) (gone, came map[K]V) {
	gone, came = make(map[K]V), make(map[K]V)
	for key, value := range next {
		before, found := old[key]
		if found && equal(before, value) {
			continue
		}
		came[key] = value
		if found {
			gone[key] = before
		}
	}
	if len(old)+len(came)-len(gone) == len(next) {
		return gone, came // nothing of old is left out
	}
	for key, value := range old {
		if _, found := next[key]; !found {
			gone[key] = value
		}
	}
	return gone, came
}

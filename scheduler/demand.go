package scheduler

import (
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// demand is what a revision's tasks ask of a node, worked out once.
type demand struct {
	constraints []api.Constraint
	preferences []string
	platforms   []api.Platform
	maxPerNode  int
	reserved    api.ResourceSet
	ports       []port
	// volumes are the named local volumes that hold the tasks to a node.
	volumes []string
}

type demandKey struct {
	service string
	number  int
}

func (p *Planner) demand(service string, number int) *demand {
	at := demandKey{service, number}
	if found := p.demands[at]; found != nil {
		return found
	}
	revision := store.Get[api.Revision](p.snapshot, api.RevisionID(service, number))
	if revision == nil {
		return nil
	}
	d := newDemand(&revision.Spec)
	d.volumes = LocalVolumes(p.snapshot, &revision.Spec)
	p.demands[at] = d
	return d
}

func newDemand(spec *api.ServiceSpec) *demand {
	d := &demand{platforms: spec.Placement.Platforms, maxPerNode: spec.Placement.MaxPerNode, reserved: spec.Resources.Reservations}
	for _, text := range spec.Placement.Constraints {
		if constraint, err := api.ParseConstraint(text); err == nil { // submitted specs are valid
			d.constraints = append(d.constraints, constraint)
		}
	}
	for _, preference := range spec.Placement.Preferences {
		d.preferences = append(d.preferences, preference.Spread)
	}
	for _, published := range spec.Ports {
		switch {
		case published.Mode != "host":
		case published.Published != 0:
			d.ports = append(d.ports, port{protocol: published.Protocol, published: published.Published, address: published.HostIP})
		default:
			d.ports = append(d.ports, port{protocol: published.Protocol, published: published.Target, address: published.HostIP, service: spec.Name})
		}
	}
	return d
}

package deploy

import (
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/store"
)

// contradiction is what a new spec asks for and the cluster's nodes can never give:
// better said now than in every task. What only lacks room or a node that is down
// is no contradiction; such tasks wait, and say so.
func (d *Draft) contradiction(spec *api.ServiceSpec, replicas int) error {
	nodes := scheduler.Eligible(d.snapshot, spec)
	if err := startFirst(spec, replicas, nodes); err != nil {
		return err
	}
	return d.elsewhere(spec, replicas, nodes)
}

// startFirst refuses an order that leaves a new task no node: the old one holds
// the port of the only one that it could have.
func startFirst(spec *api.ServiceSpec, replicas int, nodes []*api.Node) error {
	at := slices.IndexFunc(spec.Ports, func(p api.Port) bool { return p.Mode == "host" && p.Published != 0 })
	if spec.Update.Order != api.StartFirst || at < 0 {
		return nil
	}
	port := spec.Ports[at]
	switch {
	case spec.Mode.Global():
		return api.Invalidf("service %s: update order start-first: on every node the old task still has host port %d; use stop-first", spec.Name, port.Published)
	case len(nodes) == 1 && replicas > 0:
		return api.Invalidf("service %s: update order start-first: the old task still has host port %d of %s, the only node that it can run on; use stop-first",
			spec.Name, port.Published, nodes[0].Name)
	case len(nodes) > 0 && replicas >= len(nodes):
		return api.Invalidf("service %s: update order start-first: with %d replicas each of the %d nodes that it can run on has host port %d taken; use stop-first or fewer replicas",
			spec.Name, replicas, len(nodes), port.Published)
	}
	return nil
}

// elsewhere refuses a service that may not run where the data of its local volume
// is, and tells of replicas that have data of their own.
func (d *Draft) elsewhere(spec *api.ServiceSpec, replicas int, nodes []*api.Node) error {
	for _, volume := range scheduler.LocalVolumes(d.snapshot, spec) {
		var holders []string
		reachable := false
		for node := range store.All[api.Node](d.snapshot) {
			status := store.Get[api.NodeStatus](d.snapshot, node.ID)
			if status == nil || !slices.Contains(status.Info.Volumes, volume) {
				continue
			}
			holders = append(holders, node.Name)
			reachable = reachable || slices.Contains(nodes, node)
		}
		if len(holders) > 0 && len(nodes) > 0 && !reachable {
			slices.Sort(holders)
			return api.Invalidf("service %s: the data of volume %s is on %s, where its constraints or platform do not let it run: change them, or use another volume",
				spec.Name, volume, strings.Join(holders, ", "))
		}
		if spec.Mode == api.ModeReplicated && replicas > 1 {
			d.warn("service %s: volume %s is local: each of its %d tasks has data of its own, on the node that it runs on", spec.Name, volume, replicas)
		}
	}
	return nil
}

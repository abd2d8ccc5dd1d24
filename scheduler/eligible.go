package scheduler

import (
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Eligible are the nodes that tasks of a spec could ever run on, in the order of
// their IDs: load, sessions and availability, which come and go, apart. It is for
// telling at submit what can never be.
func Eligible(snapshot *store.Snapshot, spec *api.ServiceSpec) []*api.Node {
	d := newDemand(spec)
	var found []*api.Node
	for each := range store.All[api.Node](snapshot) {
		n := &node{Node: each, status: store.Get[api.NodeStatus](snapshot, each.ID)}
		if n.Runs && d.matches(n) == fits {
			found = append(found, each)
		}
	}
	return found
}

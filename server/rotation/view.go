package rotation

import (
	"cmp"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

// View is how far a rotation is. unreachable says of a manager that it does not
// answer.
func View(snapshot *store.Snapshot, cluster *api.Cluster, unreachable func(*api.Node) bool) (api.CAView, error) {
	roots, err := ca.Roots(cluster)
	if err != nil {
		return api.CAView{}, err
	}
	progress, err := ca.ProgressOf(cluster)
	if err != nil {
		return api.CAView{}, err
	}
	view := api.CAView{Roots: roots, Phase: cluster.CA.Phase}
	for node := range store.All[api.Node](snapshot) {
		view.Nodes++
		trust, manager := trustOf(snapshot, node), node.Role == api.RoleManager
		if !progress.Done(trust) {
			status := store.Get[api.NodeStatus](snapshot, node.ID)
			away := !manager && (status == nil || status.State != api.NodeReady) || manager && unreachable(node)
			view.Waiting = append(view.Waiting, api.CAWait{ID: node.ID, Name: node.Name, Role: node.Role, Away: away})
		}
		if manager && progress.Outdated(trust) && cluster.CA.Phase == api.CASettled {
			view.Restart = append(view.Restart, node.Name)
		}
	}
	slices.SortFunc(view.Waiting, func(a, b api.CAWait) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(view.Restart)
	return view, nil
}

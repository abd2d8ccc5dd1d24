package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

var volumeRoutes = []Route{
	{Method: "GET", Path: "/v1/volumes", Access: Users, Does: "the volumes that are declared or on nodes; `node=`", handler: (*API).volumes},
	{Method: "POST", Path: "/v1/volumes", Access: Users, Does: "declare a volume", handler: creating(func(d *deploy.Draft, spec api.VolumeSpec) (api.Object, error) {
		return d.CreateVolume(spec)
	})},
	{Method: "GET", Path: "/v1/volumes/{ref}", Access: Users, Does: "one volume", handler: (*API).volume},
	{Method: "DELETE", Path: "/v1/volumes/{ref}", Access: Users, Does: "remove a volume that no service uses, with its data on every node, or only that of `node=`; with `force=1` although a node that has it is away", handler: (*API).removeVolume},
}

func (a *API) volumes(w http.ResponseWriter, r *http.Request) error {
	listing, err := a.allVolumes(r.Context(), a.known, r.URL.Query().Get("node"))
	if err != nil {
		return err
	}
	return reply(w, listing)
}

func (a *API) volume(w http.ResponseWriter, r *http.Request) error {
	listing, err := a.allVolumes(r.Context(), a.known, "")
	if err != nil {
		return err
	}
	found, err := findVolume(listing.Items, r.PathValue("ref"))
	if err != nil {
		return err
	}
	return reply(w, found)
}

// findVolume resolves a volume by its name, or by the ID, or the beginning of it,
// of its declaration.
func findVolume(views []api.VolumeView, ref string) (api.VolumeView, error) {
	var found []api.VolumeView
	names := make([]string, 0, len(views))
	for _, view := range views {
		names = append(names, view.Name)
		if view.Name == ref || view.ID == ref && ref != "" {
			return view, nil
		}
		if ref != "" && strings.HasPrefix(view.ID, ref) {
			found = append(found, view)
		}
	}
	switch len(found) {
	case 0:
		return api.VolumeView{}, api.NoSuch("volume", ref, names, "")
	case 1:
		return found[0], nil
	}
	return api.VolumeView{}, api.Conflictf("volume %s is ambiguous: give more of the ID", api.Quoted(ref))
}

// allVolumes joins what is declared with what nodes have. Of a node that is away
// it lists what the node told of last. Who uses what is as of when all had answered.
func (a *API) allVolumes(ctx context.Context, read func() (*store.Snapshot, error), node string) (listing api.Listing[api.VolumeView], err error) {
	snapshot, err := read()
	if err != nil {
		return listing, err
	}
	nodes, err := a.workers(snapshot, node)
	if err != nil {
		return listing, err
	}
	answers := gather[[]wire.Volume](ctx, a, gatherTimeout, nodes, same(wire.DoRequest{Volumes: true}))
	if snapshot, err = read(); err != nil {
		return listing, err
	}
	listing = joinVolumes(snapshot, answers)
	if node != "" { // what it does not have is not asked for
		listing.Items = slices.DeleteFunc(listing.Items, func(v api.VolumeView) bool { return len(v.Nodes) == 0 })
	}
	return listing, nil
}

func joinVolumes(s *store.Snapshot, answers []gathered[[]wire.Volume]) api.Listing[api.VolumeView] {
	listing := api.Listing[api.VolumeView]{Items: []api.VolumeView{}}
	views := make(map[string]*api.VolumeView)
	of := func(name string) *api.VolumeView {
		if views[name] == nil {
			views[name] = &api.VolumeView{Volume: api.Volume{Name: name}, Nodes: []api.NodeVolume{}}
		}
		return views[name]
	}
	for volume := range store.All[api.Volume](s) {
		of(volume.Name).Volume = *volume
	}
	for _, answer := range answers {
		at := api.NodeVolume{Node: answer.node.ID, NodeName: answer.node.Name}
		if answer.err != nil {
			away := answer.away()
			listing.Away = append(listing.Away, away)
			at.Message, at.Size = away.Message, -1
			if status := store.Get[api.NodeStatus](s, answer.node.ID); status != nil {
				for _, name := range status.Info.Volumes {
					of(name).Nodes = append(of(name).Nodes, at)
				}
			}
			continue
		}
		for _, volume := range answer.value {
			at.Size, at.Created, at.InUse = volume.Size, volume.Created, volume.InUse
			of(volume.Name).Nodes = append(of(volume.Name).Nodes, at)
		}
	}
	users := deploy.VolumeUsers(s)
	for _, view := range views {
		view.UsedBy = users[view.Name]
		listing.Items = append(listing.Items, *view)
	}
	slices.SortFunc(listing.Items, func(a, b api.VolumeView) int { return strings.Compare(a.Name, b.Name) })
	return listing
}

// removeVolume takes away a volume's data and, unless only one node is meant, its
// declaration. It does nothing at all when it cannot do all of it.
func (a *API) removeVolume(w http.ResponseWriter, r *http.Request) error {
	force, err := truth(r, "force")
	if err != nil {
		return err
	}
	node := r.URL.Query().Get("node")
	listing, err := a.allVolumes(r.Context(), func() (*store.Snapshot, error) { return a.newest(r) }, node)
	if err != nil {
		return err
	}
	view, err := findVolume(listing.Items, r.PathValue("ref"))
	if err != nil {
		return err
	}
	if err := mayRemoveVolume(view, node != "", force); err != nil {
		return err
	}
	if view.ID != "" && node == "" {
		_, _, err := a.commit(r, func(d *deploy.Draft) error {
			declared := store.Get[api.Volume](d.Snapshot(), view.ID)
			if declared == nil {
				return nil
			}
			return d.RemoveVolume(declared, asAsked)
		})
		if err != nil {
			return err
		}
	}
	pruned, err := a.removeData(r.Context(), view)
	if err != nil {
		return err
	}
	return reply(w, pruned)
}

// mayRemoveVolume says who uses a volume, or which node cannot be asked.
func mayRemoveVolume(view api.VolumeView, oneNode, force bool) error {
	if len(view.UsedBy) > 0 && !oneNode {
		return api.Conflictf("volume %s is in use by %s, now or by what is left of a revision: remove or change that first", view.Name, strings.Join(view.UsedBy, ", "))
	}
	for _, at := range view.Nodes {
		switch {
		case at.InUse && len(view.UsedBy) > 0:
			return api.Conflictf("volume %s is in use on node %s, by a task of %s", view.Name, at.NodeName, strings.Join(view.UsedBy, " or "))
		case at.InUse:
			return api.Conflictf("volume %s is in use on node %s, by a task that has not ended yet", view.Name, at.NodeName)
		case at.Message != "" && oneNode:
			return api.Errorf(api.CodeUnavailable, "node %s: %s", at.NodeName, at.Message)
		case at.Message != "" && !force:
			return api.Errorf(api.CodeUnavailable,
				"volume %s is on node %s too, which cannot be asked (%s): wait for it, or remove the rest with --force", view.Name, at.NodeName, at.Message)
		}
	}
	return nil
}

// removeData has the nodes remove a volume's data.
func (a *API) removeData(ctx context.Context, view api.VolumeView) ([]api.NodePruned, error) {
	snapshot := a.store.Snapshot()
	result := []api.NodePruned{}
	var nodes []*api.Node
	for _, at := range view.Nodes {
		node := store.Get[api.Node](snapshot, at.Node)
		if at.Message != "" || node == nil {
			result = append(result, api.NodePruned{Node: at.Node, NodeName: at.NodeName, Message: at.Message})
			continue
		}
		nodes = append(nodes, node)
	}
	request := wire.DoRequest{Prune: &wire.PruneRequest{Volumes: []string{view.Name}}}
	for _, answer := range gather[wire.Pruned](ctx, a, pruneTimeout, nodes, same(request)) {
		if answer.err != nil {
			return nil, api.Errorf(api.CodeOf(answer.err), "volume %s on node %s: %w", view.Name, answer.node.Name, answer.err)
		}
		for _, removed := range answer.value.Volumes {
			if removed.Error != "" {
				return nil, api.Conflictf("volume %s on node %s: %s", view.Name, answer.node.Name, removed.Error)
			}
		}
		result = append(result, prunedView(answer))
	}
	return result, nil
}

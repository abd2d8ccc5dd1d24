package rest

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

// prune removes from nodes what nothing uses: of each kind what is asked for.
func (a *API) prune(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.PruneRequest](r)
	if err != nil {
		return err
	}
	if !request.Images && !request.Volumes && !request.Logs {
		return api.Invalidf("prune what? images, volumes or logs")
	}
	read := a.known
	if !request.DryRun {
		read = func() (*store.Snapshot, error) { return a.newest(r) }
	}
	snapshot, err := read()
	if err != nil {
		return err
	}
	nodes, err := a.workers(snapshot, request.Node)
	if err != nil {
		return err
	}
	wanted, err := a.pruneRequests(r.Context(), read, nodes, request)
	if err != nil {
		return err
	}
	answers := gather[wire.Pruned](r.Context(), a, pruneTimeout, nodes, func(node *api.Node) *wire.DoRequest {
		return &wire.DoRequest{Prune: wanted[node.ID]}
	})
	result := []api.NodePruned{}
	for _, answer := range answers {
		result = append(result, prunedView(answer))
	}
	if request.All && !request.DryRun && request.Node == "" {
		if err := a.forgetUnused(r, request, result); err != nil {
			return begun(err)
		}
	}
	return reply(w, result)
}

func prunedView(answer gathered[wire.Pruned]) api.NodePruned {
	view := api.NodePruned{
		Node: answer.node.ID, NodeName: answer.node.Name,
		Volumes: answer.value.Volumes, Images: answer.value.Images, Logs: answer.value.Logs,
	}
	if answer.err != nil {
		view.Message = answer.away().Message
	}
	return view
}

// pruneRequests are what each node is to do, by its ID. Which volumes nobody uses
// is known here, which images are not needed the nodes know themselves.
func (a *API) pruneRequests(ctx context.Context, read func() (*store.Snapshot, error), nodes []*api.Node, request api.PruneRequest) (map[string]*wire.PruneRequest, error) {
	var listing api.Listing[api.VolumeView]
	if request.Volumes {
		var err error
		if listing, err = a.allVolumes(ctx, read, request.Node); err != nil {
			return nil, err
		}
	}
	snapshot, err := read()
	if err != nil {
		return nil, err
	}
	requests := make(map[string]*wire.PruneRequest, len(nodes))
	keep := keptImages(snapshot, request.All)
	for _, node := range nodes {
		requests[node.ID] = &wire.PruneRequest{Images: request.Images, Keep: keep, Logs: request.Logs, DryRun: request.DryRun}
	}
	for _, volume := range listing.Items {
		if len(volume.UsedBy) > 0 || volume.ID != "" && !request.All {
			continue
		}
		for _, at := range volume.Nodes {
			if wanted := requests[at.Node]; wanted != nil && !at.InUse {
				wanted.Volumes = append(wanted.Volumes, volume.Name)
			}
		}
	}
	return requests, nil
}

// keptImages are digests that stay: those that services run and, unless all that
// is unused is to go, those that were loaded or that a rollback would need.
func keptImages(s *store.Snapshot, all bool) []string {
	keep := make(map[string]bool)
	for digest := range deploy.ImageUsers(s) {
		keep[digest] = true
	}
	if !all {
		for image := range store.All[api.Image](s) {
			keep[image.Digest] = true
		}
		for revision := range store.All[api.Revision](s) {
			keep[revision.Spec.Container.Digest] = true
		}
	}
	delete(keep, "")
	return slices.Sorted(maps.Keys(keep))
}

// forgetUnused removes the names of loaded images and the declarations of volumes
// whose content was pruned everywhere.
func (a *API) forgetUnused(r *http.Request, request api.PruneRequest, pruned []api.NodePruned) error {
	left := make(map[string]bool) // volumes that are still somewhere
	for _, node := range pruned {
		if node.Message != "" {
			return nil // nobody knows what it has
		}
		for _, volume := range node.Volumes {
			left[volume.Name] = left[volume.Name] || volume.Error != ""
		}
	}
	_, _, err := a.commit(r, func(d *deploy.Draft) error {
		users, images := deploy.VolumeUsers(d.Snapshot()), deploy.ImageUsers(d.Snapshot())
		for volume := range store.All[api.Volume](d.Snapshot()) {
			gone, touched := left[volume.Name]
			if request.Volumes && touched && !gone && len(users[volume.Name]) == 0 {
				if err := d.RemoveVolume(volume, "pruned"); err != nil {
					return err
				}
			}
		}
		for image := range store.All[api.Image](d.Snapshot()) {
			if request.Images && len(images[image.Digest]) == 0 {
				d.Put(image, nil)
			}
		}
		return nil
	})
	return err
}

package housekeeping

import (
	"context"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

// Prune removes what is asked for and no task needs. What cannot be removed is
// part of the answer, with the reason.
func (k *Keeper) Prune(ctx context.Context, request *wire.PruneRequest) (pruned wire.Pruned, err error) {
	if len(request.Volumes) > 0 {
		if pruned.Volumes, err = k.pruneVolumes(ctx, request); err != nil {
			return pruned, err
		}
	}
	if request.Images || len(request.Names) > 0 {
		if pruned.Images, err = k.pruneImages(ctx, request); err != nil {
			return pruned, err
		}
	}
	if request.Logs {
		pruned.Logs, err = k.pruneLogs(request.DryRun)
	}
	return pruned, err
}

func (k *Keeper) pruneVolumes(ctx context.Context, request *wire.PruneRequest) ([]api.Removal, error) {
	volumes, ok := k.config.Runtime.(runtime.Volumes)
	if !ok {
		return nil, api.Invalidf("this node's runtime has no volumes")
	}
	present, err := k.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	var removed []api.Removal
	for _, volume := range present {
		if !slices.Contains(request.Volumes, volume.Name) {
			continue
		}
		var err error
		switch {
		case k.config.Needs().Volumes[volume.Name], volume.InUse:
			err = api.Conflictf("a task on this node uses it")
		case !request.DryRun:
			err = volumes.RemoveVolume(ctx, volume.Name)
		}
		removed = append(removed, removal(volume.Name, volume.Size, err))
	}
	return removed, nil
}

// pruneImages removes names. Content goes with its last name.
func (k *Keeper) pruneImages(ctx context.Context, request *wire.PruneRequest) ([]api.Removal, error) {
	images, ok := k.config.Runtime.(runtime.Images)
	if !ok {
		return nil, api.Invalidf("this node's runtime lists no images")
	}
	present, err := images.ListImages(ctx)
	if err != nil {
		return nil, err
	}
	var removed []api.Removal
	for _, image := range present {
		named := slices.Contains(request.Names, image.Name)
		if !named && (!request.Images || slices.Contains(request.Keep, image.Digest)) {
			continue
		}
		needs, _, err := k.needs(ctx) // anew for each: tasks come and go meanwhile
		if err != nil {
			return removed, err
		}
		switch {
		case needs.image(image) && !named:
			continue
		case needs.image(image):
			err = api.Conflictf("a task on this node needs it")
		case !request.DryRun:
			err = images.RemoveImage(ctx, image.Name)
		}
		removed = append(removed, removal(image.Name, image.Size, err))
	}
	return removed, nil
}

// pruneLogs removes the logs of tasks that are history.
func (k *Keeper) pruneLogs(dryRun bool) ([]api.Removal, error) {
	sizes, err := k.config.Logs.Sizes()
	if err != nil {
		return nil, err
	}
	needs := k.config.Needs()
	var removed []api.Removal
	for task, size := range sizes {
		if needs.Tasks[task] {
			continue
		}
		var err error
		if !dryRun {
			err = k.config.Logs.Remove(task)
		}
		removed = append(removed, removal(task, size, err))
	}
	slices.SortFunc(removed, func(a, b api.Removal) int { return strings.Compare(a.Name, b.Name) })
	return removed, nil
}

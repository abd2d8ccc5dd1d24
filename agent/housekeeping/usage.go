package housekeeping

import (
	"context"
	"errors"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

// Volumes are the node's named volumes with their sizes, as far as those can be
// measured while people wait.
func (k *Keeper) Volumes(ctx context.Context) ([]wire.Volume, error) {
	volumes, list, err := k.volumes(ctx)
	if err != nil {
		return nil, err
	}
	needs := k.config.Needs()
	measuring, cancel := context.WithTimeout(ctx, measuring)
	defer cancel()
	described := make([]wire.Volume, 0, len(list))
	for _, each := range list {
		size, err := volumes.VolumeSize(measuring, each.Name)
		switch {
		case measuring.Err() != nil:
			size = unmeasured
		case api.CodeOf(err) == api.CodeNotFound:
			continue // just removed
		case err != nil:
			return nil, err
		}
		described = append(described, wire.Volume{
			Name: each.Name, Created: each.Created, Size: size, InUse: each.InUse || needs.Volumes[each.Name],
		})
	}
	return described, ctx.Err()
}

// Images are those of the node.
func (k *Keeper) Images(ctx context.Context) ([]wire.LoadedImage, error) {
	needs, _, err := k.needs(ctx)
	if err != nil {
		return nil, err
	}
	images, err := k.images(ctx)
	if err != nil {
		return nil, err
	}
	described := make([]wire.LoadedImage, 0, len(images))
	for _, image := range images {
		each := Describe(image)
		each.InUse = needs.image(image)
		described = append(described, each)
	}
	return described, nil
}

// Describe tells of an image what managers are to know.
func Describe(image runtime.Image) wire.LoadedImage {
	config := api.ImageConfig{ExposedPorts: image.Config.ExposedPorts}
	if image.Config.Platform.OS != "" {
		config.Platforms = []api.Platform{image.Config.Platform}
	}
	return wire.LoadedImage{
		Name: image.Name, Digest: image.Digest, Size: image.Size, Created: image.Created, Config: config, Loaded: image.Loaded,
	}
}

// Usage sums up what the node keeps.
func (k *Keeper) Usage(ctx context.Context) (wire.DiskUsage, error) {
	var usage wire.DiskUsage
	needs, containers, err := k.needs(ctx)
	if err != nil {
		return usage, err
	}
	if usage.Images, err = k.imageUsage(ctx, needs); err != nil {
		return usage, err
	}
	if usage.Containers, err = k.containerUsage(ctx, containers); err != nil {
		return usage, err
	}
	volumes, err := k.Volumes(ctx)
	if err != nil {
		return usage, err
	}
	for _, volume := range volumes {
		count(&usage.Volumes, max(volume.Size, 0), volume.InUse)
	}
	sizes, err := k.config.Logs.Sizes()
	if err != nil {
		return usage, err
	}
	for task, size := range sizes {
		count(&usage.Logs, size, needs.Tasks[task])
	}
	space, err := k.space()
	usage.Total, usage.Free = space.total, space.free
	return usage, err
}

// imageUsage counts content once, however many names it has.
func (k *Keeper) imageUsage(ctx context.Context, needs Needs) (usage api.Usage, err error) {
	images, err := k.images(ctx)
	if err != nil {
		return usage, err
	}
	needed := make(map[string]bool)
	sizes := make(map[string]int64)
	for _, image := range images {
		sizes[image.Digest] = image.Size
		needed[image.Digest] = needed[image.Digest] || needs.image(image)
	}
	for digest, size := range sizes {
		count(&usage, size, needed[digest])
	}
	return usage, nil
}

func (k *Keeper) containerUsage(ctx context.Context, containers []runtime.Container) (usage api.Usage, err error) {
	layers, measures := k.config.Runtime.(runtime.Layers)
	for _, c := range containers {
		var size int64
		if measures {
			size, err = layers.ContainerSize(ctx, c.ID)
			if errors.Is(err, runtime.ErrNotFound) {
				continue // just removed
			}
			if err != nil {
				return usage, err
			}
		}
		// Its end is the agent's business: none is ever left to be reclaimed.
		usage.Count++
		usage.Size += size
		if c.State == runtime.Running {
			usage.Active++
		}
	}
	return usage, nil
}

func count(usage *api.Usage, size int64, active bool) {
	usage.Count++
	usage.Size += size
	if active {
		usage.Active++
	} else {
		usage.Reclaimable += size
	}
}

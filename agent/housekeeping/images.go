package housekeeping

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/runtime"
)

const (
	// look is how often the disk is looked at.
	look = 5 * time.Minute
	// idle is how long nothing must have needed an image until it is removed.
	idle = time.Hour
	// relief is how far below Config.Full images are removed, in per cent, so that
	// not every look finds work.
	relief = 5
)

// Run keeps the disk from running full until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	if k.config.Full == 0 {
		return nil
	}
	unneeded := make(map[string]time.Time) // since when, by digest
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if err := k.keep(ctx, unneeded, time.Now()); err != nil && ctx.Err() == nil {
			k.log.Warn("images that nothing needs cannot be removed", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// keep notes which images nothing needs, and while the disk is too full removes
// those that are so for long.
func (k *Keeper) keep(ctx context.Context, unneeded map[string]time.Time, now time.Time) error {
	remover, ok := k.config.Runtime.(runtime.Images)
	if !ok {
		return nil
	}
	needs, _, err := k.needs(ctx)
	if err != nil {
		return err
	}
	images, err := remover.ListImages(ctx)
	if err != nil {
		return err
	}
	note(unneeded, images, needs, now)
	space, err := k.space()
	if err != nil || !space.fuller(k.config.Full) {
		return err
	}
	for _, image := range removable(images, unneeded, now) {
		if space, err = k.space(); err != nil || !space.fuller(max(k.config.Full-relief, 1)) {
			return err
		}
		if k.config.Needs().image(image) {
			continue // a task came meanwhile
		}
		if err := remover.RemoveImage(ctx, image.Name); err != nil {
			return err
		}
		k.log.Info("image removed: the disk is nearly full and nothing needs it",
			zap.String("image", image.Name), zap.Time("unneeded since", unneeded[image.Digest]))
	}
	return nil
}

// note keeps since when nothing needs an image.
func note(unneeded map[string]time.Time, images []runtime.Image, needs Needs, now time.Time) {
	present, needed := make(map[string]bool), make(map[string]bool)
	for _, image := range images {
		present[image.Digest] = true
		needed[image.Digest] = needed[image.Digest] || needs.image(image)
	}
	for digest := range unneeded {
		if !present[digest] || needed[digest] {
			delete(unneeded, digest)
		}
	}
	for digest := range present {
		if _, noted := unneeded[digest]; !noted && !needed[digest] {
			unneeded[digest] = now
		}
	}
}

// removable are the images to remove, the longest unneeded first. What was loaded
// stays: no registry need have it.
func removable(images []runtime.Image, unneeded map[string]time.Time, now time.Time) []runtime.Image {
	var found []runtime.Image
	for _, image := range images {
		since, noted := unneeded[image.Digest]
		if noted && !image.Loaded && now.Sub(since) >= idle {
			found = append(found, image)
		}
	}
	slices.SortStableFunc(found, func(a, b runtime.Image) int {
		if c := unneeded[a.Digest].Compare(unneeded[b.Digest]); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return found
}

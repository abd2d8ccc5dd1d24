// Package housekeeping tells what a node keeps on its disk for its tasks, and
// removes what none of them needs: by itself, when the disk runs full, only what can
// be had again; the rest when a user asks for it.
//
// It never removes what an assigned task needs, and never a volume by itself.
package housekeeping

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/logs"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// Config is what a Keeper is made of.
type Config struct {
	// Dir is the agent's directory: it is on the disk that counts.
	Dir string
	// Runtime offers as much as it can of runtime.Images, runtime.Volumes and
	// runtime.Layers.
	Runtime runtime.Runtime
	Logs    *logs.Store
	// Needs says what the assigned tasks need, also those without a container.
	Needs func() Needs
	// Full is how full the disk may be, in per cent, until images that nothing
	// needs are removed; 0 means never.
	Full int
}

// DefaultFull is where kubelet, too, begins to remove images
// (imageGCHighThresholdPercent).
const DefaultFull = 85

// Needs are what tasks need of a disk.
type Needs struct {
	Images  map[string]bool // digests, and normalised names of what is not pinned
	Volumes map[string]bool // names
	Tasks   map[string]bool // IDs of those that should run: their logs grow
}

func (n Needs) image(image runtime.Image) bool { return n.Images[image.Digest] || n.Images[image.Name] }

// Keeper looks after what a node keeps. It is safe for use by several goroutines.
type Keeper struct {
	config Config
	log    *zap.Logger
}

// New makes a Keeper. It does nothing by itself before Run.
func New(config Config, log *zap.Logger) *Keeper { return &Keeper{config: config, log: log} }

// needs are those of the assigned tasks and of the containers there are.
func (k *Keeper) needs(ctx context.Context) (Needs, []runtime.Container, error) {
	containers, err := k.config.Runtime.List(ctx)
	if err != nil {
		return Needs{}, nil, err
	}
	needs := k.config.Needs()
	for _, c := range containers {
		needs.Images[c.Image.Digest] = true
		if name, err := runtime.NormalName(c.Image.Name); err == nil && c.Image.Digest == "" {
			needs.Images[name] = true
		}
	}
	return needs, containers, nil
}

// space is what the disk has, in bytes.
type space struct{ total, free int64 }

func (k *Keeper) space() (space, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(k.config.Dir, &stat); err != nil {
		return space{}, fmt.Errorf("read the disk's size: %w", err)
	}
	return space{total: int64(stat.Blocks) * stat.Bsize, free: int64(stat.Bavail) * stat.Bsize}, nil
}

// fuller says whether more than this many per cent are taken.
func (s space) fuller(percent int) bool { return (s.total-s.free)*100 > s.total*int64(percent) }

// images are what the runtime has; one that offers no list has none.
func (k *Keeper) images(ctx context.Context) ([]runtime.Image, error) {
	if images, ok := k.config.Runtime.(runtime.Images); ok {
		return images.ListImages(ctx)
	}
	return nil, nil
}

func (k *Keeper) volumes(ctx context.Context) (runtime.Volumes, []runtime.Volume, error) {
	volumes, ok := k.config.Runtime.(runtime.Volumes)
	if !ok {
		return nil, nil, nil
	}
	list, err := volumes.ListVolumes(ctx)
	return volumes, list, err
}

// measuring bounds how long volumes are measured for one answer: people wait.
const measuring = 5 * time.Second

// unmeasured is the size of what was not measured in time.
const unmeasured = -1

// removal is what became of one thing.
func removal(name string, size int64, err error) api.Removal {
	r := api.Removal{Name: name, Size: max(size, 0)}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

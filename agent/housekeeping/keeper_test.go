package housekeeping

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/logs"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/fake"
)

// place is a disk with a runtime that has what a test puts there.
type place struct {
	*Keeper
	t       *testing.T
	runtime *fake.Runtime
	needs   Needs
}

func newPlace(t *testing.T) *place {
	p := &place{t: t, runtime: fake.New(), needs: Needs{Images: map[string]bool{}, Volumes: map[string]bool{}, Tasks: map[string]bool{}}}
	dir := t.TempDir()
	store := logs.New(filepath.Join(dir, "logs"), zap.NewNop())
	p.Keeper = New(Config{Dir: dir, Runtime: p.runtime, Logs: store, Full: DefaultFull, Needs: func() Needs {
		copied := Needs{Images: map[string]bool{}, Volumes: p.needs.Volumes, Tasks: p.needs.Tasks}
		for name := range p.needs.Images {
			copied.Images[name] = true
		}
		return copied
	}}, zap.NewNop())
	return p
}

func (p *place) pull(names ...string) {
	p.t.Helper()
	for _, name := range names {
		_, err := p.runtime.Pull(p.t.Context(), runtime.ImageRef{Name: name}, nil)
		require.NoError(p.t, err)
	}
}

// run makes a container of an image that mounts a volume.
func (p *place) run(id, image, volume string) {
	p.t.Helper()
	spec := runtime.Spec{ID: id, Image: runtime.ImageRef{Name: image}}
	spec.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: volume, Target: "/data"}}
	require.NoError(p.t, p.runtime.Create(p.t.Context(), spec))
}

func (p *place) log(task string, bytes int) {
	p.t.Helper()
	dir := filepath.Join(p.config.Dir, "logs", task)
	require.NoError(p.t, os.MkdirAll(dir, 0o700))
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, "000001-c-000001.log"), make([]byte, bytes), 0o600))
}

func names(removed []api.Removal) (names []string) {
	for _, each := range removed {
		names = append(names, each.Name)
		if each.Error != "" {
			names[len(names)-1] += ": " + each.Error
		}
	}
	return names
}

func TestUsageCountsWhatIsNeededAndWhatIsNot(t *testing.T) {
	p := newPlace(t)
	p.pull("used:1", "wanted:1", "idle:1")
	p.run("c1", "used:1", "busy")
	p.run("c2", "used:1", "left")
	require.NoError(t, p.runtime.Remove(t.Context(), "c2"))
	p.needs.Images["docker.io/library/wanted:1"] = true
	p.needs.Tasks["t1"] = true
	p.log("t1", 10)
	p.log("t2", 7)

	usage, err := p.Usage(t.Context())
	require.NoError(t, err)
	require.Equal(t, api.Usage{Count: 3, Active: 2, Size: 3 << 20, Reclaimable: 1 << 20}, usage.Images)
	require.Equal(t, api.Usage{Count: 1}, usage.Containers)
	require.Equal(t, api.Usage{Count: 2, Active: 1}, usage.Volumes)
	require.Equal(t, api.Usage{Count: 2, Active: 1, Size: 17, Reclaimable: 7}, usage.Logs)
	require.Positive(t, usage.Total)
}

func TestPruneRemovesWhatIsNamedAndNotNeeded(t *testing.T) {
	p := newPlace(t)
	p.pull("used:1", "kept:1", "idle:1")
	p.run("c1", "used:1", "busy")
	p.run("c2", "used:1", "waiting")
	p.run("c3", "used:1", "left")
	require.NoError(t, p.runtime.Remove(t.Context(), "c2"))
	require.NoError(t, p.runtime.Remove(t.Context(), "c3"))
	p.needs.Volumes["waiting"] = true // between two attempts
	p.needs.Tasks["t1"] = true
	p.log("t1", 10)
	p.log("t2", 7)
	kept, err := p.runtime.Pull(t.Context(), runtime.ImageRef{Name: "kept:1"}, nil)
	require.NoError(t, err)

	request := wire.PruneRequest{
		Volumes: []string{"busy", "waiting", "left", "missing"}, Images: true, Keep: []string{kept.Digest}, Logs: true, DryRun: true,
	}
	want := wire.Pruned{
		Volumes: []api.Removal{
			{Name: "busy", Error: "a task on this node uses it"}, {Name: "left"}, {Name: "waiting", Error: "a task on this node uses it"},
		},
		Images: []api.Removal{{Name: "docker.io/library/idle:1", Size: 1 << 20}},
		Logs:   []api.Removal{{Name: "t2", Size: 7}},
	}
	for _, dry := range []bool{true, false} { // what is only asked for removes nothing
		request.DryRun = dry
		pruned, err := p.Prune(t.Context(), &request)
		require.NoError(t, err)
		require.Equal(t, want, pruned)
	}
	pruned, err := p.Prune(t.Context(), &request)
	require.NoError(t, err)
	require.Empty(t, pruned.Images)
	require.Empty(t, pruned.Logs)
	require.Equal(t, []string{"busy: a task on this node uses it", "waiting: a task on this node uses it"}, names(pruned.Volumes))

	pruned, err = p.Prune(t.Context(), &wire.PruneRequest{Names: []string{"docker.io/library/used:1", "docker.io/library/kept:1"}})
	require.NoError(t, err)
	require.Equal(t, []string{"docker.io/library/kept:1", "docker.io/library/used:1: a task on this node needs it"}, names(pruned.Images))
}

func TestOnlyWhatIsUnneededForLongAndCanBeHadAgainIsRemovable(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	images := []runtime.Image{
		{Name: "old:1", Digest: "d1"}, {Name: "older:1", Digest: "d2"}, {Name: "loaded:1", Digest: "d3", Loaded: true},
		{Name: "used:1", Digest: "d4"}, {Name: "also-used:1", Digest: "d4"},
	}
	unneeded := make(map[string]time.Time)
	used := func(digests ...string) Needs {
		needs := Needs{Images: map[string]bool{}}
		for _, digest := range digests {
			needs.Images[digest] = true
		}
		return needs
	}
	note(unneeded, images, used("d1", "d4"), start)
	note(unneeded, images, used("d4"), start.Add(time.Minute))
	require.Empty(t, removable(images, unneeded, start.Add(idle-time.Second)))
	require.Equal(t, images[1:2], removable(images, unneeded, start.Add(idle)))
	require.Equal(t, []runtime.Image{images[1], images[0]}, removable(images, unneeded, start.Add(idle+time.Minute)), "the longest first")

	note(unneeded, images, used("d2"), start.Add(idle))
	require.NotContains(t, unneeded, "d2", "it was needed again")
	note(unneeded, images[1:], used("d2"), start.Add(idle))
	require.NotContains(t, unneeded, "d1", "it is gone")
}

func TestImagesGoOnlyWhileTheDiskIsTooFull(t *testing.T) {
	p := newPlace(t)
	p.pull("idle:1", "used:1")
	p.run("c1", "used:1", "data")
	look := func(full int, later time.Duration) []runtime.Image {
		p.config.Full = full
		unneeded := make(map[string]time.Time)
		now := time.Now()
		require.NoError(t, p.keep(context.Background(), unneeded, now))
		require.NoError(t, p.keep(context.Background(), unneeded, now.Add(later)))
		images, err := p.runtime.ListImages(t.Context())
		require.NoError(t, err)
		return images
	}
	s, err := p.space()
	require.NoError(t, err)
	require.False(t, s.fuller(100))
	require.True(t, s.fuller(0), "a disk with nothing on it")
	require.Len(t, look(99, 2*idle), 2)
	require.Len(t, look(-1, idle/2), 2)
	left := look(-1, idle) // any disk is fuller than that
	require.Len(t, left, 1)
	require.Equal(t, "docker.io/library/used:1", left[0].Name)
}

func TestFullness(t *testing.T) {
	require.True(t, space{total: 100, free: 14}.fuller(85))
	require.False(t, space{total: 100, free: 15}.fuller(85))
	require.False(t, space{}.fuller(85), "a disk of which nothing is known")
}

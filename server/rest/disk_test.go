package rest

import (
	"cmp"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// disks are nodes that have volumes and images, and remove them when asked.
type disks struct {
	mu      sync.Mutex
	volumes map[string][]wire.Volume      // by node ID
	images  map[string][]wire.LoadedImage // by node ID
	asked   map[string]*wire.PruneRequest // the last, by node ID
}

func newDisks(m *manager) *disks {
	d := &disks{
		volumes: map[string][]wire.Volume{
			"n1id": {{Name: "data", Created: time.Unix(100, 0), Size: 10}, {Name: "old", Size: 20}},
			"n2id": {{Name: "data", Created: time.Unix(50, 0), Size: 30}},
		},
		images: map[string][]wire.LoadedImage{
			"n1id": {{Name: "docker.io/library/web:1", Digest: "sha256:1", Size: 5}, {Name: "docker.io/library/web:0", Digest: "sha256:0", Size: 7}},
		},
	}
	d.answer(m)
	return d
}

func (d *disks) answer(m *manager) {
	d.asked = make(map[string]*wire.PruneRequest)
	m.nodes.answer(d.serve)
}

func (d *disks) serve(node string, open wire.Open, stream net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch do := open.Do; {
	case do == nil:
	case do.Volumes:
		_ = send(stream, d.volumes[node])
	case do.Images:
		_ = send(stream, d.images[node])
	case do.Usage:
		_ = send(stream, wire.DiskUsage{Images: api.Usage{Count: len(d.images[node])}, Total: 100})
	case do.Prune != nil:
		d.asked[node] = do.Prune
		_ = send(stream, d.prune(node, do.Prune))
	}
}

func (d *disks) prune(node string, request *wire.PruneRequest) (pruned wire.Pruned) {
	if d.volumes == nil {
		return pruned
	}
	d.volumes[node] = slices.DeleteFunc(d.volumes[node], func(v wire.Volume) bool {
		gone := slices.Contains(request.Volumes, v.Name)
		if gone {
			pruned.Volumes = append(pruned.Volumes, api.Removal{Name: v.Name, Size: v.Size})
		}
		return gone && !request.DryRun
	})
	for _, image := range d.images[node] {
		if slices.Contains(request.Names, image.Name) {
			pruned.Images = append(pruned.Images, api.Removal{Name: image.Name, Size: image.Size})
		}
	}
	return pruned
}

func (d *disks) use(node, volume string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.volumes[node] {
		if d.volumes[node][i].Name == volume {
			d.volumes[node][i].InUse = true
		}
	}
}

// mounting makes a service that mounts a volume.
func (m *manager) mounting(volume string) {
	m.t.Helper()
	_, err := m.client.CreateService(m.ctx, api.ServiceCreate{Spec: api.ServiceSpec{Name: "web", Container: api.ContainerSpec{
		Image: "web:1", Mounts: []api.Mount{{Type: api.MountVolume, Source: volume, Target: "/data"}},
	}}})
	require.NoError(m.t, err)
}

func names(views []api.VolumeView) string {
	var all []string
	for _, view := range views {
		var nodes []string
		for _, at := range view.Nodes {
			nodes = append(nodes, at.NodeName)
		}
		all = append(all, view.Name+":"+strings.Join(nodes, ","))
	}
	return strings.Join(all, " ")
}

func TestVolumesAreThoseThatNodesHaveAndThoseThatAreDeclared(t *testing.T) {
	m := newManager(t)
	newDisks(m)
	_, err := m.client.CreateVolume(m.ctx, api.VolumeSpec{Name: "shared"})
	require.NoError(t, err)
	m.mounting("data")

	listing, err := m.client.Volumes(m.ctx, "")
	require.NoError(t, err)
	require.Empty(t, listing.Away)
	require.Equal(t, "data:n1,n2 old:n1 shared:", names(listing.Items))
	require.Equal(t, []string{"web"}, listing.Items[0].UsedBy)
	require.EqualValues(t, 30, listing.Items[0].Nodes[1].Size)
	require.Empty(t, listing.Items[1].ID, "nobody declared it")

	listing, err = m.client.Volumes(m.ctx, "n2")
	require.NoError(t, err)
	require.Equal(t, "data:n2", names(listing.Items))
	_, err = m.client.Volumes(m.ctx, "n9")
	requireCode(t, api.CodeNotFound, err, "n9")
	_, err = m.client.Volume(m.ctx, "nope")
	requireCode(t, api.CodeNotFound, err, "nope")
}

func TestVolumesOfANodeThatIsAwayAreThoseItToldOfLast(t *testing.T) {
	m := newManager(t)
	newDisks(m)
	m.put(&api.NodeStatus{Meta: api.Meta{ID: "n2id"}, State: api.NodeDown, Info: api.NodeInfo{Volumes: []string{"data", "far"}}})
	listing, err := m.client.Volumes(m.ctx, "")
	require.NoError(t, err)
	require.Equal(t, "data:n1,n2 far:n2 old:n1", names(listing.Items))
	require.Equal(t, []api.NodeAway{{Node: "n2id", NodeName: "n2", Message: "the node is down"}}, listing.Away)
	require.EqualValues(t, -1, listing.Items[1].Nodes[0].Size)

	_, err = m.client.RemoveVolume(m.ctx, "data", "", false)
	requireCode(t, api.CodeUnavailable, err, "n2", "--force")
	_, err = m.client.RemoveVolume(m.ctx, "data", "n2", true)
	requireCode(t, api.CodeUnavailable, err, "n2", "down")
	removed, err := m.client.RemoveVolume(m.ctx, "data", "", true)
	require.NoError(t, err)
	require.Equal(t, "the node is down", removed[0].Message)
	require.Equal(t, []api.Removal{{Name: "data", Size: 10}}, removed[1].Volumes)
}

func TestAVolumeThatIsUsedStays(t *testing.T) {
	m := newManager(t)
	d := newDisks(m)
	m.mounting("data")
	_, err := m.client.RemoveVolume(m.ctx, "data", "", true)
	requireCode(t, api.CodeConflict, err, "in use by web")
	d.use("n1id", "data")
	_, err = m.client.RemoveVolume(m.ctx, "data", "n1", false)
	requireCode(t, api.CodeConflict, err, "n1", "web")
	_, err = m.client.RemoveVolume(m.ctx, "data", "n2", false)
	require.NoError(t, err, "there nothing uses it")
	d.use("n1id", "old")
	_, err = m.client.RemoveVolume(m.ctx, "old", "", false)
	requireCode(t, api.CodeConflict, err, "has not ended yet")
	require.Equal(t, 2, len(d.volumes["n1id"]))
}

func TestADeclaredVolumeGoesWithItsData(t *testing.T) {
	m := newManager(t)
	d := newDisks(m)
	_, err := m.client.CreateVolume(m.ctx, api.VolumeSpec{Name: "data"})
	require.NoError(t, err)
	_, err = m.client.RemoveVolume(m.ctx, "data", "", false)
	require.NoError(t, err)
	require.Empty(t, d.volumes["n2id"])
	_, err = m.client.Volume(m.ctx, "data")
	requireCode(t, api.CodeNotFound, err)
}

func TestPruneTakesVolumesThatNobodyUsesOrDeclared(t *testing.T) {
	m := newManager(t)
	d := newDisks(m)
	_, err := m.client.CreateVolume(m.ctx, api.VolumeSpec{Name: "old"})
	require.NoError(t, err)
	m.mounting("data")
	_, err = m.client.Prune(m.ctx, api.PruneRequest{})
	requireCode(t, api.CodeInvalid, err, "volumes")

	pruned, err := m.client.Prune(m.ctx, api.PruneRequest{Volumes: true})
	require.NoError(t, err)
	require.Len(t, pruned, 2)
	require.Empty(t, d.asked["n1id"].Volumes)
	require.False(t, d.asked["n1id"].Images)

	pruned, err = m.client.Prune(m.ctx, api.PruneRequest{Volumes: true, All: true, DryRun: true})
	require.NoError(t, err)
	require.Equal(t, []api.Removal{{Name: "old", Size: 20}}, pruned[0].Volumes)
	require.Len(t, d.volumes["n1id"], 2)

	_, err = m.client.Prune(m.ctx, api.PruneRequest{Volumes: true, All: true})
	require.NoError(t, err)
	require.Len(t, d.volumes["n1id"], 1)
	_, err = m.client.Volume(m.ctx, "old")
	requireCode(t, api.CodeNotFound, err, "old")
}

func TestPruneKeepsTheImagesThatServicesAndRollbacksNeed(t *testing.T) {
	m := newManager(t)
	d := newDisks(m)
	m.put(&api.Image{Meta: api.Meta{ID: "i9"}, Name: "docker.io/library/loaded:1", Digest: "sha256:9"})
	web := m.create("web", 1)
	_, err := m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: "web:2"}}})
	require.NoError(t, err)
	require.NotEmpty(t, web.ID)

	_, err = m.client.Prune(m.ctx, api.PruneRequest{Images: true, Logs: true})
	require.NoError(t, err)
	require.Equal(t, []string{"sha256:1", "sha256:2", "sha256:9"}, d.asked["n2id"].Keep)
	require.True(t, d.asked["n2id"].Logs)
	_, err = m.client.Prune(m.ctx, api.PruneRequest{Images: true, All: true, Node: "n1"})
	require.NoError(t, err)
	require.Equal(t, []string{"sha256:2"}, d.asked["n1id"].Keep)
	require.Len(t, d.asked["n2id"].Keep, 3, "only n1 was asked")

	listing, err := m.client.Images(m.ctx, "")
	require.NoError(t, err)
	require.Len(t, listing.Items, 3)
	require.Equal(t, "docker.io/library/loaded:1", listing.Items[0].Name, "one node does not stand for all")
	_, err = m.client.Prune(m.ctx, api.PruneRequest{Images: true, All: true})
	require.NoError(t, err)
	listing, err = m.client.Images(m.ctx, "")
	require.NoError(t, err)
	require.Len(t, listing.Items, 2)
}

func TestAnImageThatNodesPulledCanBeRemoved(t *testing.T) {
	m := newManager(t)
	newDisks(m)
	removed, err := m.client.RemoveImage(m.ctx, "web:0", false)
	require.NoError(t, err)
	require.Equal(t, []api.Removal{{Name: "docker.io/library/web:0", Size: 7}}, removed[0].Images)
	_, err = m.client.RemoveImage(m.ctx, "nope:1", false)
	requireCode(t, api.CodeNotFound, err, "nope:1")
}

func TestUsageTellsOfNodesThatAreAway(t *testing.T) {
	m := newManager(t)
	newDisks(m)
	m.nodes.setAway("n2id", true)
	nodes, err := m.client.Usage(m.ctx, "")
	require.NoError(t, err)
	require.Len(t, nodes, 2)
	require.Equal(t, 2, nodes[0].Images.Count)
	require.EqualValues(t, 100, nodes[0].Total)
	require.Contains(t, nodes[1].Message, "not connected")
}

// behind is a store whose view is old, if it has one, until it is asked for a newer one.
type behind struct {
	store.Store
	old *store.Snapshot
}

func (b *behind) Snapshot() *store.Snapshot { return cmp.Or(b.old, b.Store.Snapshot()) }

func TestWhatIsRemovedFromNodesIsJudgedByWhatThereIsNow(t *testing.T) {
	seen := &behind{}
	m := newManagerOn(t, func(s *memory.Store) store.Store {
		seen.Store = s
		return seen
	})
	d := newDisks(m)
	old := m.store.Snapshot()
	m.mounting("data")
	seen.old = old

	_, err := m.client.RemoveVolume(m.ctx, "data", "", false)
	requireCode(t, api.CodeConflict, err, "data", "in use by web")
	_, err = m.client.Prune(m.ctx, api.PruneRequest{Volumes: true, Images: true, All: true})
	require.NoError(t, err)
	require.Equal(t, []string{"old"}, d.asked["n1id"].Volumes)
	require.Contains(t, d.asked["n1id"].Keep, "sha256:1")

	m.others.apart = time.Minute
	_, err = m.client.RemoveVolume(m.ctx, "data", "", false)
	requireCode(t, api.CodeUnavailable, err, "no quorum")
	_, err = m.client.Prune(m.ctx, api.PruneRequest{Volumes: true})
	requireCode(t, api.CodeUnavailable, err, "no quorum")
	_, err = m.client.Prune(m.ctx, api.PruneRequest{Volumes: true, DryRun: true})
	require.NoError(t, err, "that only tells")
}

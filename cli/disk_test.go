package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestVolumesTellWhereTheyAreAndWhoUsesThem(t *testing.T) {
	f := newFake(t)
	declared := api.VolumeView{Volume: api.Volume{Meta: api.Meta{ID: "v1"}, Name: "declared"}}
	data := api.VolumeView{Volume: api.Volume{Name: "data"}, UsedBy: []string{"db", "web"}, Nodes: []api.NodeVolume{
		{NodeName: "n1", Size: 1 << 20}, {NodeName: "n2", Size: -1, Message: "the node is down"},
	}}
	f.on("GET /v1/volumes", api.Listing[api.VolumeView]{
		Items: []api.VolumeView{data, declared}, Away: []api.NodeAway{{NodeName: "n2", Message: "the node is down"}},
	})
	code, out, errors := f.orc("volume", "ls", "--format", "{{.Name}}|{{.Nodes}}|{{.Size}}|{{.UsedBy}}|{{.Declared}}")
	require.Zero(t, code)
	require.Equal(t, "data|n1,n2 (away)|1MiB|db,web|false\ndeclared||||true\n", out)
	require.Equal(t, "orc: warning: node n2: the node is down: what it has now is not known\n", errors)
	require.Equal(t, "declared\n", f.ok("volume", "ls", "-q", "--filter", "used=false"))
}

func TestRemovingAVolumeTellsWhereItsDataStays(t *testing.T) {
	f := newFake(t)
	f.on("DELETE /v1/volumes/data", []api.NodePruned{{NodeName: "n1"}, {NodeName: "n2", Message: "the node is down"}})
	code, out, errors := f.orc("volume", "rm", "-f", "data")
	require.Zero(t, code)
	require.Equal(t, "data\n", out)
	require.Equal(t, "orc: warning: node n2: the node is down: nothing is removed there\n", errors)
}

func TestImagesTellWhoUsesThem(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/images", api.Listing[api.ImageView]{Items: []api.ImageView{{
		Image: api.Image{Name: "docker.io/library/web:1", Digest: "sha256:1"}, UsedBy: []string{"web"},
		Nodes: []api.NodeImage{{NodeName: "n1", InUse: true}, {NodeName: "n2"}},
	}}})
	require.Equal(t, "web 1 n1,n2 web false\n", f.ok("image", "ls", "--format", "{{.Repository}} {{.Tag}} {{.Nodes}} {{.UsedBy}} {{.Loaded}}"))
	require.Equal(t, "sha256:1\n", f.ok("image", "ls", "-q", "--filter", "used=true"))
}

func TestDfHasARowForEachKindOfEachNode(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/usage", []api.NodeUsage{
		{NodeName: "n1", Images: api.Usage{Count: 3, Active: 1, Size: 4 << 20, Reclaimable: 1 << 20}, Total: 8 << 30},
		{NodeName: "n2", Message: "the node is down"},
	})
	code, out, errors := f.orc("system", "df", "--format", "{{.Node}} {{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}} {{.DiskTotal}}")
	require.Zero(t, code)
	require.Equal(t, "n1 Images 3 1 4MiB 1MiB (25%) 8GiB\nn1 Containers 0 0 0B 0B 8GiB\nn1 Volumes 0 0 0B 0B 8GiB\nn1 Logs 0 0 0B 0B 8GiB\n", out)
	require.Contains(t, errors, "node n2: the node is down")
}

func TestPruneAsksUnlessItIsForced(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/prune", []api.NodePruned{{NodeName: "n1", Images: []api.Removal{{Name: "docker.io/library/web:1", Size: 1 << 20}}}})
	code, out, errors := f.orc("system", "prune")
	require.Equal(t, 2, code)
	require.Contains(t, out, "n1     Image   web:1   1MiB")
	require.Contains(t, errors, "use --force")
	require.Equal(t, api.PruneRequest{Images: true, Logs: true, DryRun: true}, sent[api.PruneRequest](f), "nothing but looked")

	require.Contains(t, f.ok("system", "prune", "-f", "--volumes", "--node", "n1"), "1 removed: 1MiB")
	require.Equal(t, api.PruneRequest{Volumes: true, Node: "n1"}, sent[api.PruneRequest](f))
	require.Contains(t, f.ok("system", "prune", "--force", "--all", "--dry-run"), "1 would be removed: 1MiB")
	require.Equal(t, api.PruneRequest{Images: true, Logs: true, Volumes: true, All: true, DryRun: true}, sent[api.PruneRequest](f))
	f.ok("image", "prune", "-fa")
	require.Equal(t, api.PruneRequest{Images: true, All: true}, sent[api.PruneRequest](f))
}

func TestWhatCannotBePrunedIsAnError(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/prune", []api.NodePruned{
		{NodeName: "n1", Volumes: []api.Removal{{Name: "data", Error: "a task on this node uses it"}}}, {NodeName: "n2", Message: "the node is down"},
	})
	code, out, errors := f.orc("volume", "prune", "-f")
	require.Equal(t, 1, code)
	require.Equal(t, "Nothing to remove.\n", out)
	require.Equal(t, "orc: warning: node n2: the node is down: nothing is removed there\norc: volume data on node n1: a task on this node uses it\n", errors)
}

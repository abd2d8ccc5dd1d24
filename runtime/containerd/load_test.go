package containerd

import (
	"bytes"
	"compress/gzip"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/runtimetest"
)

// contents lists the blobs in the store.
func contents(t *testing.T, ctx context.Context, n *node) (digests []string) {
	t.Helper()
	require.NoError(t, n.client.ContentStore().Walk(ctx, func(info content.Info) error {
		digests = append(digests, info.Digest.String())
		return nil
	}))
	return digests
}

func TestLoadAllKindsOfArchives(t *testing.T) {
	n := open(t)
	image := runtimetest.Image(t, []runtimetest.Entry{{Path: "/app", Data: []byte("program"), Mode: 0o755}}, nil)
	docker := runtimetest.Archive(t, image, "kinds:1", "kinds:2")
	var zipped, zstded bytes.Buffer
	zipper := gzip.NewWriter(&zipped)
	_, err := zipper.Write(docker)
	require.NoError(t, err)
	require.NoError(t, zipper.Close())
	encoder, err := zstd.NewWriter(&zstded)
	require.NoError(t, err)
	_, err = encoder.Write(docker)
	require.NoError(t, err)
	require.NoError(t, encoder.Close())

	dir := t.TempDir()
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"org.opencontainers.image.ref.name": "docker.io/library/kinds:3"},
	}})
	_, err = ocilayout.Write(dir, index)
	require.NoError(t, err)
	var oci bytes.Buffer
	require.NoError(t, tarDir(&oci, dir))

	for name, test := range map[string]struct {
		archive []byte
		want    []string
	}{
		"docker":      {docker, []string{"docker.io/library/kinds:1", "docker.io/library/kinds:2"}},
		"docker gzip": {zipped.Bytes(), []string{"docker.io/library/kinds:1", "docker.io/library/kinds:2"}},
		"docker zstd": {zstded.Bytes(), []string{"docker.io/library/kinds:1", "docker.io/library/kinds:2"}},
		"oci":         {oci.Bytes(), []string{"docker.io/library/kinds:3"}},
	} {
		t.Run(name, func(t *testing.T) {
			loaded, err := n.LoadImage(t.Context(), bytes.NewReader(test.archive))
			require.NoError(t, err)
			var names []string
			for _, each := range loaded {
				names = append(names, each.Name)
			}
			require.ElementsMatch(t, test.want, names)
			for _, each := range names {
				require.NoError(t, n.RemoveImage(t.Context(), each))
			}
			until(t, "no content", func(ctx context.Context) bool { return len(contents(t, ctx, n)) == 0 })
		})
	}
}

func TestBrokenArchivesLeaveNoContent(t *testing.T) {
	n := open(t)
	data := make([]byte, 1<<18)
	rand.NewChaCha8([32]byte{3}).Read(data)
	image := runtimetest.Image(t, []runtimetest.Entry{{Path: "/app", Data: data, Mode: 0o755}}, nil)
	whole := runtimetest.Archive(t, image, "broken:1")
	var zipped bytes.Buffer
	zipper := gzip.NewWriter(&zipped)
	_, err := zipper.Write(whole)
	require.NoError(t, err)
	require.NoError(t, zipper.Close())
	bad := bytes.Clone(whole)
	bad[len(bad)/2] ^= 1 // in the layer
	for _, archive := range [][]byte{whole[:len(whole)/3], whole[:len(whole)*2/3], zipped.Bytes()[:zipped.Len()/2], zipped.Bytes()[:zipped.Len()-4], bad} {
		_, err := n.LoadImage(t.Context(), bytes.NewReader(archive))
		require.ErrorIs(t, err, runtime.ErrInvalidImage)
		require.NotContains(t, err.Error(), "\n")
	}
	require.Empty(t, contents(t, t.Context(), n))
	snapshots, err := n.snapshotter(t.Context())
	require.NoError(t, err)
	var keys []string
	require.NoError(t, snapshots.Walk(t.Context(), all(&keys)))
	require.Empty(t, keys)
}

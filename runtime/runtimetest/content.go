package runtimetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

func (s *suite) testImage(t *testing.T) {
	list, err := s.Runtime.ListImages(t.Context())
	require.NoError(t, err)
	var found *runtime.Image
	for i := range list {
		if list[i].Name == ImageName {
			found = &list[i]
		}
	}
	require.NotNil(t, found)
	require.True(t, found.Loaded, "the suite loaded it")
	require.Equal(t, s.digest, found.Digest)
	require.Positive(t, found.Size)
	require.Equal(t, []string{Program}, found.Config.Entrypoint)
	require.Equal(t, []string{"run"}, found.Config.Cmd)
	require.Contains(t, found.Config.Env, "FROM=image")
	require.Equal(t, "linux", found.Config.Platform.OS)

	// What is here, pinned, is not looked for elsewhere: orc.test does not exist.
	pulled, err := s.Runtime.Pull(t.Context(), runtime.ImageRef{Name: ImageName, Digest: s.digest}, nil)
	require.NoError(t, err)
	require.Equal(t, s.digest, pulled.Digest)

	require.ErrorIs(t, s.Runtime.RemoveImage(t.Context(), "orc.test/missing:1"), runtime.ErrImageMissing)
}

func (s *suite) testBrokenArchive(t *testing.T) {
	before, err := s.Runtime.ListImages(t.Context())
	require.NoError(t, err)
	content := make([]byte, 1<<16) // that cannot be compressed away
	rand.NewChaCha8([32]byte{1}).Read(content)
	image := Image(t, []Entry{{Path: Program, Data: content, Mode: 0o755}}, nil)
	whole := Archive(t, image, "orc.test/broken:1")
	cases := map[string][]byte{
		"empty":   nil,
		"garbage": []byte("this is no archive, whatever its name says"),
		"zeros":   make([]byte, 4096),
	}
	for _, part := range []int{10, 50, 90} {
		cases[fmt.Sprintf("cut at %d%%", part)] = whole[:len(whole)*part/100]
	}
	for name, archive := range cases {
		_, err := s.Runtime.LoadImage(t.Context(), reader(archive))
		require.ErrorIs(t, err, runtime.ErrInvalidImage, name)
		require.NotContains(t, err.Error(), "\n", name)
	}
	after, err := s.Runtime.ListImages(t.Context())
	require.NoError(t, err)
	require.Len(t, after, len(before))
}

func (s *suite) testVolumes(t *testing.T) {
	ctx := t.Context()
	spec := s.spec(t, "exit", "0")
	name := "volume-of-" + spec.ID
	spec.Container.Mounts = []api.Mount{
		{Type: api.MountVolume, Source: name, Target: "/data"},
		{Type: api.MountVolume, Target: "/anonymous"},
	}
	s.create(t, spec)
	volume, found := s.volume(t, name)
	require.True(t, found)
	require.True(t, volume.InUse)
	require.Error(t, s.Runtime.RemoveVolume(ctx, name))
	size, err := s.Runtime.VolumeSize(ctx, name)
	require.NoError(t, err)
	require.GreaterOrEqual(t, size, int64(0))

	size, err = s.Runtime.ContainerSize(ctx, spec.ID)
	require.NoError(t, err)
	require.GreaterOrEqual(t, size, int64(0))

	require.NoError(t, s.Runtime.Remove(ctx, spec.ID))
	_, err = s.Runtime.ContainerSize(ctx, spec.ID)
	require.ErrorIs(t, err, runtime.ErrNotFound)
	volume, found = s.volume(t, name)
	require.True(t, found, "a named volume stays")
	require.False(t, volume.InUse)
	require.NoError(t, s.Runtime.RemoveVolume(ctx, name))
	_, found = s.volume(t, name)
	require.False(t, found)
	require.Equal(t, api.CodeNotFound, api.CodeOf(s.Runtime.RemoveVolume(ctx, name)))
	_, err = s.Runtime.VolumeSize(ctx, name)
	require.Equal(t, api.CodeNotFound, api.CodeOf(err))
}

func (s *suite) volume(t *testing.T, name string) (runtime.Volume, bool) {
	t.Helper()
	list, err := s.Runtime.ListVolumes(t.Context())
	require.NoError(t, err)
	for _, volume := range list {
		if volume.Name == name {
			return volume, true
		}
	}
	return runtime.Volume{}, false
}

package containerd

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/runtimetest"
)

func TestFullDisk(t *testing.T) {
	needReal(t)
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	n := openAt(t, filepath.Join(dir, "data"))
	n.load(t, nil, nil)
	data := make([]byte, 8<<20)
	rand.NewChaCha8([32]byte{4}).Read(data)
	image := runtimetest.Image(t, []runtimetest.Entry{{Path: "/app", Data: data, Mode: 0o755}}, nil)
	archive := runtimetest.Archive(t, image, "large:1")

	filler := filepath.Join(dir, "filler")
	fill(t, filler, 4<<20)
	_, err := n.LoadImage(t.Context(), bytes.NewReader(archive))
	require.ErrorIs(t, err, runtime.ErrFull)
	require.NotContains(t, err.Error(), "\n")

	h := newHub(t, "")
	digest := h.push(t, "large:1", image)
	_, err = n.Pull(t.Context(), runtime.ImageRef{Name: h.name("large:1"), Digest: digest}, nil)
	require.ErrorIs(t, err, runtime.ErrFull)

	require.NoError(t, os.Remove(filler))
	_, err = n.LoadImage(t.Context(), bytes.NewReader(archive))
	require.NoError(t, err, "with room again, it works")
}

// fill fills a file system up to so many bytes.
func fill(t *testing.T, path string, left int64) {
	t.Helper()
	var stat unix.Statfs_t
	require.NoError(t, unix.Statfs(filepath.Dir(path), &stat))
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, unix.Fallocate(int(file.Fd()), 0, 0, int64(stat.Bavail)*stat.Bsize-left))
}

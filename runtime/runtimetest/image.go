package runtimetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

// ImageName is the suite's image, and Program the path of its one program.
const (
	ImageName = "orc.test/app:1"
	Program   = "/app"
)

// BuildProgram builds the suite's program for images, once, and returns its content.
func BuildProgram(t testing.TB) []byte {
	t.Helper()
	data, err := built()
	require.NoError(t, err)
	return data
}

var built = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "orc-program-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path,
		"github.com/orc-project/orc/runtime/runtimetest/program/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(path)
})

// Entry is a file (or, without Data and ending in "/", a directory) of an image.
type Entry struct {
	Path     string
	Data     []byte
	Mode     int64
	UID, GID int
}

// Image makes an image of files with the suite's configuration: entrypoint
// /app, command run, and FROM=image in the environment. change may be nil.
func Image(t testing.TB, entries []Entry, change func(*v1.Config)) v1.Image {
	t.Helper()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return layerOf(entries) })
	require.NoError(t, err)
	image, err := mutate.AppendLayers(empty.Image, layer)
	require.NoError(t, err)
	file, err := image.ConfigFile()
	require.NoError(t, err)
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", goruntime.GOARCH
	file.Created = v1.Time{Time: time.Unix(1_700_000_000, 0)}
	file.Config = v1.Config{
		Entrypoint: []string{Program}, Cmd: []string{"run"},
		Env: []string{"PATH=/bin:/", "FROM=image"}, Labels: map[string]string{"suite": "yes"},
	}
	if change != nil {
		change(&file.Config)
	}
	image, err = mutate.ConfigFile(image, file)
	require.NoError(t, err)
	return image
}

// Archive packs an image as `docker save` does.
func Archive(t testing.TB, image v1.Image, names ...string) []byte {
	t.Helper()
	images := map[name.Tag]v1.Image{}
	for _, each := range names {
		tag, err := name.NewTag(each)
		require.NoError(t, err)
		images[tag] = image
	}
	var buffer bytes.Buffer
	require.NoError(t, tarball.MultiWrite(images, &buffer))
	return buffer.Bytes()
}

// layerOf packs files, with the directories that they need.
func layerOf(entries []Entry) (io.ReadCloser, error) {
	var buffer bytes.Buffer
	out := tar.NewWriter(&buffer)
	for _, entry := range entries {
		header := &tar.Header{
			Name: strings.TrimPrefix(entry.Path, "/"), Size: int64(len(entry.Data)), Mode: entry.Mode,
			Uid: entry.UID, Gid: entry.GID, Typeflag: tar.TypeReg, ModTime: time.Unix(1_700_000_000, 0),
		}
		if strings.HasSuffix(entry.Path, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := out.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := out.Write(entry.Data); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return io.NopCloser(&buffer), nil
}

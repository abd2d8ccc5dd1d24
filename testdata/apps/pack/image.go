package main

import (
	"archive/tar"
	"bytes"
	"io"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// packed is an image under its full name.
type packed struct {
	name  string
	tag   string
	image v1.Image
}

// image puts a program into an image of its own: /PROGRAM and what a static program
// may look for.
func (a app) image(version string, program []byte) (packed, error) {
	files, err := a.layer(program)
	if err != nil {
		return packed{}, err
	}
	content, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return packed{}, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{Layer: content, History: v1.History{CreatedBy: "testdata/apps/pack"}})
	if err != nil {
		return packed{}, err
	}
	entrypoint := "/" + a.program
	if a.name != a.program {
		entrypoint = "/bin/" + a.name
	}
	config := v1.Config{Entrypoint: []string{entrypoint}, User: a.user, WorkingDir: "/",
		Env:    []string{"PATH=/:/bin", "VERSION=" + version},
		Labels: map[string]string{"org.opencontainers.image.title": a.name, "org.opencontainers.image.version": version}}
	if a.exposed != "" {
		config.ExposedPorts = map[string]struct{}{a.exposed: {}}
	}
	if a.check != nil {
		config.Healthcheck = &v1.HealthConfig{Test: a.check, Interval: 2e9, Timeout: 2e9, Retries: 2}
	}
	file, err := image.ConfigFile()
	if err != nil {
		return packed{}, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", runtime.GOARCH, config
	image, err = mutate.ConfigFile(image, file)
	return packed{name: "docker.io/library/" + a.name + ":" + version, tag: version, image: image}, err
}

func (a app) layer(program []byte) ([]byte, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	type file struct {
		name    string
		mode    int64
		content []byte
	}
	files := []file{
		{"etc/", 0o755, nil},
		{"etc/group", 0o644, []byte("root:x:0:\nnogroup:x:65534:\n")},
		{"etc/passwd", 0o644, []byte("root:x:0:0:root:/:/\nnobody:x:65534:65534:nobody:/:/\n")},
		{"tmp/", 0o1777, nil},
		{a.program, 0o755, program},
		{"bin/", 0o755, nil},
	}
	for _, file := range files {
		header := tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(file.content)), Typeflag: tar.TypeReg}
		if strings.HasSuffix(file.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(&header); err != nil {
			return nil, err
		}
		if _, err := w.Write(file.content); err != nil {
			return nil, err
		}
	}
	for _, name := range a.also {
		if err := w.WriteHeader(&tar.Header{Name: "bin/" + name, Linkname: "/" + a.program, Mode: 0o777, Typeflag: tar.TypeSymlink}); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

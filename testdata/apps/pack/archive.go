package main

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// writeArchive writes images as an OCI image layout in a tar file, whole or not
// at all.
func writeArchive(path string, images []packed) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".pack-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // does nothing once renamed
	if err := writeLayout(file, images); err != nil {
		file.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func writeLayout(to io.Writer, images []packed) error {
	w := &layout{tar: tar.NewWriter(to), written: make(map[string]bool)}
	if err := w.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, p := range images {
		if err := w.image(p.image); err != nil {
			return err
		}
		descriptor, err := partial.Descriptor(p.image)
		if err != nil {
			return err
		}
		descriptor.ArtifactType = "" // an image needs none
		descriptor.Platform = &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
		descriptor.Annotations = map[string]string{
			"io.containerd.image.name":          p.name,
			"org.opencontainers.image.ref.name": p.name,
		}
		index.Manifests = append(index.Manifests, *descriptor)
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if err := w.file("index.json", raw); err != nil {
		return err
	}
	return w.tar.Close()
}

// layout writes each blob once.
type layout struct {
	tar     *tar.Writer
	written map[string]bool
}

func (l *layout) file(name string, content []byte) error {
	if l.written[name] {
		return nil
	}
	l.written[name] = true
	if err := l.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := l.tar.Write(content)
	return err
}

func (l *layout) blob(digest v1.Hash, content []byte) error {
	return l.file("blobs/"+digest.Algorithm+"/"+digest.Hex, content)
}

func (l *layout) image(image v1.Image) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		reader, err := layer.Compressed()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		if err := reader.Close(); err != nil {
			return err
		}
		if err := l.blob(digest, content); err != nil {
			return err
		}
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	configName, err := image.ConfigName()
	if err != nil {
		return err
	}
	if err := l.blob(configName, config); err != nil {
		return err
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	return l.blob(digest, manifest)
}

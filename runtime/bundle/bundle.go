// Package bundle carries containerd, its shim and runc inside the orc binary and
// puts them on disk. It never runs them.
//
// A binary built with the tag `bundle` has them; without it everything compiles
// and Contents says ErrNone. `make bundle` builds and packs them (see pack).
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// ErrNone says that this binary was built without a bundle.
var ErrNone = errors.New("this orc was built without containerd: give --containerd ADDRESS, or build it with make")

// ManifestName is the manifest's name beside the packed files.
const ManifestName = "manifest.json"

// extension is that of the packed files.
const extension = ".zst"

// The names of the files, as they are called on disk.
const (
	Containerd = "containerd"
	Shim       = "containerd-shim-runc-v2"
	Runc       = "runc"
	Init       = "orc-init" // for containers that want an init process
)

// Manifest lists what is in a bundle.
type Manifest struct {
	Files []File `json:"files"`
}

// File is one program. Size and SHA256 are those of the program as it runs; it is
// packed as NAME.zst.
type File struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

// Bundle is a set of packed programs.
type Bundle struct {
	Manifest Manifest
	// Digest names the content: the manifest's SHA-256 in hexadecimal, shortened.
	Digest string
	files  fs.FS
}

// Contents returns this binary's bundle, or ErrNone.
func Contents() (*Bundle, error) {
	files, err := embedded()
	if err != nil {
		return nil, err
	}
	return Open(files)
}

// Open reads a bundle's manifest.
func Open(files fs.FS) (*Bundle, error) {
	data, err := fs.ReadFile(files, ManifestName)
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	manifest, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return &Bundle{Manifest: manifest, Digest: hex.EncodeToString(sum[:8]), files: files}, nil
}

// Versions tells the versions of the programs that are not orc's own, by name.
func (b *Bundle) Versions() map[string]string {
	versions := map[string]string{}
	for _, file := range b.Manifest.Files {
		if file.Name != Init {
			versions[file.Name] = file.Version
		}
	}
	return versions
}

// parseManifest accepts only names that stay in their directory.
func parseManifest(data []byte) (Manifest, error) {
	var manifest Manifest
	if err := json.Unmarshal(data, &manifest); err != nil {
		return manifest, fmt.Errorf("read bundle manifest: %w", err)
	}
	if len(manifest.Files) == 0 {
		return manifest, errors.New("read bundle manifest: it lists no files")
	}
	for _, file := range manifest.Files {
		if file.Name == "" || file.Name == "." || file.Name == ".." || path.Base(file.Name) != file.Name {
			return manifest, fmt.Errorf("read bundle manifest: %q is no file name", file.Name)
		}
		if raw, err := hex.DecodeString(file.SHA256); err != nil || len(raw) != sha256.Size {
			return manifest, fmt.Errorf("read bundle manifest: %s: %q is no SHA-256", file.Name, file.SHA256)
		}
		if file.Size <= 0 {
			return manifest, fmt.Errorf("read bundle manifest: %s: size %d", file.Name, file.Size)
		}
	}
	return manifest, nil
}

//go:build bundle

package bundle

import (
	_ "embed"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Strings, and not an embed.FS, because their memory can be given back.
var (
	//go:embed embedded/manifest.json
	packedManifest string
	//go:embed embedded/containerd.zst
	packedContainerd string
	//go:embed embedded/containerd-shim-runc-v2.zst
	packedShim string
	//go:embed embedded/runc.zst
	packedRunc string
	//go:embed embedded/orc-init.zst
	packedInit string
)

func embedded() (fs.FS, error) {
	return packed{
		ManifestName: packedManifest, Containerd + extension: packedContainerd, Shim + extension: packedShim,
		Runc + extension: packedRunc, Init + extension: packedInit,
	}, nil
}

// release gives back the memory that reading the embedded files took: their pages
// are clean copies of the binary's, and are read again when they are needed.
func release() {
	page := uintptr(os.Getpagesize())
	for _, content := range []string{packedContainerd, packedShim, packedRunc, packedInit} {
		start := uintptr(unsafe.Pointer(unsafe.StringData(content)))
		skip := (page - start%page) % page
		if length := uintptr(len(content)); length > skip+page {
			whole := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(content)), skip)), (length-skip)/page*page)
			_ = unix.Madvise(whole, unix.MADV_DONTNEED) // an advice; without it they stay until the kernel wants them
		}
	}
}

// packed is the file system of embedded files.
type packed map[string]string

func (p packed) Open(name string) (fs.File, error) {
	content, found := p[name]
	if !found {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return file{strings.NewReader(content), name}, nil
}

type file struct {
	io.Reader
	name string
}

func (file) Close() error                 { return nil }
func (f file) Stat() (fs.FileInfo, error) { return f, nil }
func (f file) Name() string               { return f.name }
func (f file) Size() int64                { return 0 } // not known before it is read
func (f file) Mode() fs.FileMode          { return 0o444 }
func (f file) ModTime() time.Time         { return time.Time{} }
func (f file) IsDir() bool                { return false }
func (f file) Sys() any                   { return nil }

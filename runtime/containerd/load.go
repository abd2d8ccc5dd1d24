package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// LoadImage implements runtime.Images. What is read is held by a lease, and named
// only when all of it is there and unpacked: a broken archive's content is
// collected.
func (r *Runtime) LoadImage(ctx context.Context, in io.Reader) (loaded []runtime.Image, err error) {
	ctx, release, err := r.lease(ctx)
	if err != nil {
		return nil, explain("load image", err)
	}
	defer func() { release(err != nil) }()
	plain, err := compression.DecompressStream(in)
	if err != nil {
		return nil, invalidImage(err)
	}
	defer plain.Close()
	reader := &failing{Reader: plain}
	index, err := archive.ImportIndex(ctx, r.client.ContentStore(), reader)
	if err != nil {
		return nil, r.explainLoad(reader, err)
	}
	// What is after the tar's end has to be there too: compression checks its sum.
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return nil, r.explainLoad(reader, err)
	}
	named, err := r.contents(ctx, index)
	if err != nil {
		return nil, err
	}
	for _, each := range named {
		image, err := r.adopt(ctx, each)
		if err != nil {
			return nil, err
		}
		loaded = append(loaded, image)
	}
	return loaded, nil
}

// contents lists the images of an archive's index by their full names, and
// makes sure that they are whole.
func (r *Runtime) contents(ctx context.Context, index ocispec.Descriptor) ([]images.Image, error) {
	store := r.client.ContentStore()
	children := images.FilterPlatforms(images.ChildrenHandler(store), platforms.Default())
	handler := images.SetChildrenLabels(store, children)
	top, err := images.Children(ctx, store, index)
	if err != nil {
		return nil, invalidImage(err)
	}
	var found []images.Image
	for _, manifest := range top {
		name := manifest.Annotations[images.AnnotationImageName]
		if name == "" {
			name = manifest.Annotations[ocispec.AnnotationRefName]
		}
		if name == "" {
			continue
		}
		normal, err := runtime.NormalName(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", runtime.ErrInvalidImage, err)
		}
		if err := images.WalkNotEmpty(ctx, handler, manifest); err != nil {
			return nil, invalidImage(err)
		}
		whole, _, _, missing, err := images.Check(ctx, store, manifest, platforms.Default())
		if err != nil {
			return nil, invalidImage(err)
		}
		if !whole || len(missing) > 0 {
			return nil, fmt.Errorf("%w: it lacks %d of %s's layers: it may be cut short", runtime.ErrInvalidImage, len(missing), normal)
		}
		manifest.Annotations = nil
		found = append(found, images.Image{Name: normal, Target: manifest})
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: no image in it has a name: save it with one, as in `docker save web:1.0`", runtime.ErrInvalidImage)
	}
	return found, nil
}

// adopt unpacks a loaded image and gives it its names.
func (r *Runtime) adopt(ctx context.Context, image images.Image) (runtime.Image, error) {
	info, err := r.read(ctx, image.Target)
	if err != nil {
		return runtime.Image{}, invalidImage(err)
	}
	if err := r.unpack(ctx, image); err != nil {
		r.images.clear()
		return runtime.Image{}, invalidImage(err)
	}
	pinned, err := digestName(image.Name, image.Target.Digest.String())
	if err != nil {
		return runtime.Image{}, err
	}
	defer r.locks.lock("images")()
	for _, name := range []string{pinned, image.Name} {
		record := images.Image{Name: name, Target: image.Target, Labels: map[string]string{loadedLabel: "yes"}}
		if err := r.record(ctx, record); err != nil {
			return runtime.Image{}, explain("load image "+image.Name, err)
		}
	}
	loaded := info.image(image.Name)
	loaded.Loaded = true
	return loaded, nil
}

// invalidImage is what a broken archive comes to, unless the disk is full.
func invalidImage(err error) error {
	var known *api.Error
	switch {
	case errors.Is(err, runtime.ErrInvalidImage), errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case full(err):
		return fmt.Errorf("load image: %w", runtime.ErrFull)
	default:
		return fmt.Errorf("%w: %w", runtime.ErrInvalidImage, oneLine(err))
	}
}

// explainLoad tells a reader's own failure, as of a connection, from a broken
// archive.
func (r *Runtime) explainLoad(reader *failing, err error) error {
	if reader.err != nil && !errors.Is(reader.err, io.ErrUnexpectedEOF) {
		var known *api.Error
		if errors.As(reader.err, &known) || errors.Is(reader.err, context.Canceled) {
			return reader.err
		}
	}
	return invalidImage(err)
}

// failing remembers its reader's error.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(data []byte) (int, error) {
	n, err := f.Reader.Read(data)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

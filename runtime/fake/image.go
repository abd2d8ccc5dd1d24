package fake

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// Pull implements runtime.Runtime.
func (r *Runtime) Pull(ctx context.Context, ref runtime.ImageRef, progress func(done, total int64)) (runtime.Image, error) {
	if err := r.enter(ctx, "Pull"); err != nil {
		return runtime.Image{}, err
	}
	defer r.mu.Unlock()
	name, err := runtime.NormalName(ref.Name)
	if err != nil {
		return runtime.Image{}, err
	}
	if image, found := r.images[name]; found && ref.Digest == image.Digest {
		return image, nil
	}
	script := r.script(name)
	if err := r.pause(ctx, script.PullDelay); err != nil {
		return runtime.Image{}, err
	}
	if script.PullError != nil {
		return runtime.Image{}, script.PullError
	}
	image := script.Image
	image.Name = name
	if image.Digest == "" {
		image.Digest = ref.Digest
	}
	if image.Digest == "" {
		image.Digest = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name)))
	}
	if image.Size == 0 {
		image.Size = 1 << 20
	}
	if progress != nil {
		progress(image.Size, image.Size)
	}
	r.images[name] = image
	return image, nil
}

// LoadImage implements runtime.Images. It reads docker archives only.
func (r *Runtime) LoadImage(ctx context.Context, archive io.Reader) ([]runtime.Image, error) {
	if err := r.enter(ctx, "LoadImage"); err != nil {
		return nil, err
	}
	r.mu.Unlock()
	loaded, err := decode(archive)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, image := range loaded {
		r.images[image.Name] = image
	}
	return loaded, nil
}

// ListImages implements runtime.Images.
func (r *Runtime) ListImages(ctx context.Context) ([]runtime.Image, error) {
	if err := r.enter(ctx, "ListImages"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	list := make([]runtime.Image, 0, len(r.images))
	for _, name := range sorted(r.images) {
		list = append(list, r.images[name])
	}
	return list, nil
}

// RemoveImage implements runtime.Images.
func (r *Runtime) RemoveImage(ctx context.Context, name string) error {
	if err := r.enter(ctx, "RemoveImage"); err != nil {
		return err
	}
	defer r.mu.Unlock()
	full, err := runtime.NormalName(name)
	if err != nil {
		return err
	}
	if _, found := r.images[full]; !found {
		return fmt.Errorf("image %s: %w", name, runtime.ErrImageMissing)
	}
	delete(r.images, full)
	return nil
}

// present finds the image of a container to create: pulled before. The lock is held.
func (r *Runtime) present(ref runtime.ImageRef) (runtime.Image, error) {
	name, err := runtime.NormalName(ref.Name)
	if err != nil {
		return runtime.Image{}, err
	}
	image, found := r.images[name]
	if !found || ref.Digest != "" && ref.Digest != image.Digest {
		return runtime.Image{}, fmt.Errorf("image %s: %w on this node", ref.Name, runtime.ErrImageMissing)
	}
	return image, nil
}

// decode reads a docker archive, whole, so that a cut one is noticed.
func decode(archive io.Reader) ([]runtime.Image, error) {
	data, err := io.ReadAll(archive)
	if err != nil {
		return nil, err
	}
	if unzip, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		if data, err = io.ReadAll(unzip); err != nil {
			return nil, fmt.Errorf("%w: %w", runtime.ErrInvalidImage, err)
		}
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	manifest, err := tarball.LoadManifest(opener)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrInvalidImage, err)
	}
	img, err := tarball.Image(opener, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrInvalidImage, err)
	}
	if err := validate.Image(img); err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrInvalidImage, err)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrInvalidImage, err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrInvalidImage, err)
	}
	var images []runtime.Image
	for _, tag := range manifest[0].RepoTags {
		name, err := runtime.NormalName(tag)
		if err != nil {
			return nil, err
		}
		images = append(images, runtime.Image{
			Name: name, Digest: digest.String(), Size: int64(len(data)), Created: time.Now(), Loaded: true,
			Config: runtime.ImageConfig{
				Platform:   api.Platform{OS: file.OS, Arch: file.Architecture},
				Entrypoint: file.Config.Entrypoint, Cmd: file.Config.Cmd, Env: file.Config.Env,
				Dir: file.Config.WorkingDir, User: file.Config.User, StopSignal: file.Config.StopSignal,
				Labels: file.Config.Labels,
			},
		})
	}
	return images, nil
}

func mustNormalise(name string) string {
	full, err := runtime.NormalName(name)
	if err != nil {
		panic("fake: " + err.Error()) // a mistake in the test that scripts it
	}
	return full
}

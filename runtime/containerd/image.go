package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// An image has two records in containerd: NAME:TAG, which moves, and NAME@DIGEST,
// which keeps the content that some revision still wants when the tag has moved.

// imageInfo is what containers need to know of an image's content. It never
// changes.
type imageInfo struct {
	digest  string
	size    int64
	created time.Time
	config  runtime.ImageConfig
	chain   string // the snapshot that containers' own are made of
	users   *users // of its /etc/passwd and /etc/group; nil until asked for
}

// imageCache keeps what was read of images, by digest.
type imageCache struct {
	mu     sync.Mutex
	images map[string]*imageInfo
}

func (c *imageCache) get(digest string) *imageInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.images[digest]
}

func (c *imageCache) put(info *imageInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.images == nil {
		c.images = map[string]*imageInfo{}
	}
	c.images[info.digest] = info
}

func (c *imageCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.images = nil
}

// digestName is the name of the record that keeps an image's content: the name
// without its tag, and the digest.
func digestName(name, digest string) (string, error) {
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return "", api.Invalidf("image %q is no image name: %w", name, err)
	}
	return named.Name() + "@" + digest, nil
}

// find looks an image up among those present.
func (r *Runtime) find(ctx context.Context, ref runtime.ImageRef) (images.Image, error) {
	name, err := runtime.NormalName(ref.Name)
	if err != nil {
		return images.Image{}, err
	}
	names := []string{name}
	if ref.Digest != "" {
		pinned, err := digestName(name, ref.Digest)
		if err != nil {
			return images.Image{}, err
		}
		names = []string{pinned, name}
	}
	for _, each := range names {
		record, err := r.client.ImageService().Get(ctx, each)
		if err == nil && (ref.Digest == "" || record.Target.Digest.String() == ref.Digest) {
			return record, nil
		}
		if err != nil && !errdefs.IsNotFound(err) {
			return images.Image{}, explain("look up image "+ref.Name, err)
		}
	}
	return images.Image{}, fmt.Errorf("image %s: %w on this node", ref.Name, runtime.ErrImageMissing)
}

// info finds an image and reads what it says, of the cache if it can. It must be
// unpacked.
func (r *Runtime) info(ctx context.Context, ref runtime.ImageRef) (*imageInfo, error) {
	if ref.Digest != "" {
		if info := r.images.get(ref.Digest); info != nil {
			return info, nil
		}
	}
	record, err := r.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	return r.read(ctx, record.Target)
}

// read reads an image's manifest and configuration.
func (r *Runtime) read(ctx context.Context, target ocispec.Descriptor) (*imageInfo, error) {
	if info := r.images.get(target.Digest.String()); info != nil {
		return info, nil
	}
	store := r.client.ContentStore()
	manifest, err := images.Manifest(ctx, store, target, platforms.Default())
	if err != nil {
		return nil, explain("read image "+target.Digest.String(), err)
	}
	data, err := content.ReadBlob(ctx, store, manifest.Config)
	if err != nil {
		return nil, explain("read image "+target.Digest.String(), err)
	}
	info, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", target.Digest, err)
	}
	info.digest = target.Digest.String()
	info.size = manifest.Config.Size
	for _, layer := range manifest.Layers {
		info.size += layer.Size
	}
	r.images.put(info)
	return info, nil
}

// imageFile is an image's configuration, with what Docker added to OCI's.
type imageFile struct {
	Created      *time.Time `json:"created"`
	Architecture string     `json:"architecture"`
	OS           string     `json:"os"`
	Config       struct {
		ocispec.ImageConfig
		Healthcheck *api.HealthCheck
	} `json:"config"`
	RootFS struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
}

// parseConfig reads an image's configuration.
func parseConfig(data []byte) (*imageInfo, error) {
	var file imageFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%w: its configuration: %w", runtime.ErrInvalidImage, err)
	}
	for _, each := range file.RootFS.DiffIDs {
		if err := each.Validate(); err != nil {
			return nil, fmt.Errorf("%w: layer %q: %w", runtime.ErrInvalidImage, each, err)
		}
	}
	if len(file.RootFS.DiffIDs) == 0 {
		return nil, fmt.Errorf("%w: it has no layers", runtime.ErrInvalidImage)
	}
	config := file.Config
	info := &imageInfo{
		chain: identity.ChainID(file.RootFS.DiffIDs).String(),
		config: runtime.ImageConfig{
			Platform:   api.Platform{OS: file.OS, Arch: file.Architecture},
			Entrypoint: config.Entrypoint, Cmd: config.Cmd, Env: config.Env, Dir: config.WorkingDir,
			User: config.User, StopSignal: config.StopSignal, Labels: config.Labels, Health: config.Healthcheck,
			ExposedPorts: sortedKeys(config.ExposedPorts), Volumes: sortedKeys(config.Volumes),
		},
	}
	if file.Created != nil {
		info.created = *file.Created
	}
	return info, nil
}

func sortedKeys(set map[string]struct{}) []string {
	var keys []string
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// image makes the contract's image of a record's name and what it says.
func (i *imageInfo) image(name string) runtime.Image {
	return runtime.Image{Name: name, Digest: i.digest, Size: i.size, Created: i.created, Config: i.config}
}

// unpacked says whether containers can be made of an image at once.
func (r *Runtime) unpacked(ctx context.Context, info *imageInfo) (bool, error) {
	snapshotter, err := r.snapshotter(ctx)
	if err != nil {
		return false, err
	}
	_, err = snapshotter.Stat(ctx, info.chain)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// unpack makes an image's snapshots from content that is here.
func (r *Runtime) unpack(ctx context.Context, record images.Image) error {
	if _, err := r.snapshotter(ctx); err != nil {
		return err
	}
	return client.NewImageWithPlatform(r.client, record, platforms.Default()).Unpack(ctx, r.snapshotterName)
}

// loadedLabel marks the names that came by LoadImage.
const loadedLabel = "orc/loaded"

// record points a name at content.
func (r *Runtime) record(ctx context.Context, image images.Image) error {
	service := r.client.ImageService()
	_, err := service.Create(ctx, image)
	if errdefs.IsAlreadyExists(err) {
		_, err = service.Update(ctx, image, "target", "labels")
	}
	return err
}

// ListImages implements runtime.Images. Content that no tag names is listed by its
// digest.
func (r *Runtime) ListImages(ctx context.Context) ([]runtime.Image, error) {
	records, err := r.client.ImageService().List(ctx)
	if err != nil {
		return nil, explain("list images", err)
	}
	tagged := map[string]bool{} // repository@digest
	for _, record := range records {
		if pinned, err := digestName(record.Name, record.Target.Digest.String()); err == nil && pinned != record.Name {
			tagged[pinned] = true
		}
	}
	list := []runtime.Image{}
	for _, record := range records {
		if tagged[record.Name] {
			continue
		}
		info, err := r.read(ctx, record.Target)
		if errdefs.IsNotFound(err) || errors.Is(err, runtime.ErrInvalidImage) {
			continue // being pulled or removed at this moment, or not ours to run
		}
		if err != nil {
			return nil, err
		}
		image := info.image(record.Name)
		image.Loaded = record.Labels[loadedLabel] != ""
		list = append(list, image)
	}
	slices.SortFunc(list, func(a, b runtime.Image) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// RemoveImage implements runtime.Images. Containers made of the image run on.
func (r *Runtime) RemoveImage(ctx context.Context, name string) error {
	normal, err := runtime.NormalName(name)
	if err != nil {
		return err
	}
	defer r.locks.lock("images")()
	service := r.client.ImageService()
	record, err := service.Get(ctx, normal)
	if errdefs.IsNotFound(err) {
		return fmt.Errorf("image %s: %w on this node", name, runtime.ErrImageMissing)
	}
	if err != nil {
		return explain("remove image "+name, err)
	}
	defer r.images.clear()
	doomed := []string{normal}
	pinned, err := digestName(normal, record.Target.Digest.String())
	if err != nil {
		return err
	}
	records, err := service.List(ctx, fmt.Sprintf("target.digest==%s", record.Target.Digest))
	if err != nil {
		return explain("remove image "+name, err)
	}
	others := 0
	for _, other := range records {
		if other.Name != normal && other.Name != pinned {
			if same, err := digestName(other.Name, record.Target.Digest.String()); err == nil && same == pinned {
				others++
			}
		}
	}
	if pinned != normal && others == 0 {
		doomed = append(doomed, pinned)
	}
	for i, each := range doomed {
		var options []images.DeleteOpt
		if i == len(doomed)-1 {
			options = append(options, images.SynchronousDelete()) // the content is gone when this returns
		}
		if err := service.Delete(ctx, each, options...); err != nil && !errdefs.IsNotFound(err) {
			return explain("remove image "+name, err)
		}
	}
	return nil
}

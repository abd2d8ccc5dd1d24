package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Image is what a registry says of a reference.
type Image struct {
	Digest    string
	Platforms []api.Platform // empty: not known
}

// Resolver asks a registry. auth is api.ContainerSpec.RegistryAuth. Its errors
// are api.Errors: not-found and unauthorized for what the registry says,
// unavailable when it does not answer.
type Resolver interface {
	Resolve(ctx context.Context, image, auth string) (Image, error)
}

// Images pins the images of specs to digests, so that every replica runs the
// same bytes.
type Images struct {
	Snapshot *store.Snapshot
	// Registry may be nil: then only loaded images can be resolved.
	Registry Resolver
	// Warnings are what a user should know afterwards.
	Warnings []string

	asked map[string]Image
}

// NormalizeImage is the full form of a reference: web → docker.io/library/web:latest.
func NormalizeImage(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", api.Invalidf("image %q is not a valid reference: want something like registry.example.com/web:1.0", image)
	}
	return reference.TagNameOnly(named).String(), nil
}

// Resolve sets a spec's digest and platforms. current is what the service has
// now, or nil: the same image with the same digest is not asked for again, and
// the digest that is known serves when the registry does not answer. A digest
// that the spec names stays.
func (i *Images) Resolve(ctx context.Context, spec, current *api.ServiceSpec, keepTag bool) error {
	container := &spec.Container
	if container.Image == "" {
		return api.Invalidf("service %s: an image is needed", spec.Name)
	}
	name, err := NormalizeImage(container.Image)
	if err != nil {
		return api.Invalidf("service %s: %w", spec.Name, err)
	}
	keepAuth(container, current)
	if _, digest, pinned := strings.Cut(name, "@"); pinned {
		container.Digest = digest
		return nil
	}
	if keepTag || container.Digest != "" {
		return nil
	}
	found, err := i.find(ctx, name, container.RegistryAuth)
	if err != nil && current != nil && current.Container.Image == container.Image && current.Container.Digest != "" &&
		api.CodeOf(err) == api.CodeUnavailable {
		i.Warnings = append(i.Warnings, "service "+spec.Name+": "+err.Error()+"; it stays with the digest that it has")
		found, err = Image{Digest: current.Container.Digest, Platforms: current.Placement.Platforms}, nil
	}
	if err != nil {
		return api.Errorf(api.CodeOf(err), "service %s: %w", spec.Name, err)
	}
	container.Digest = found.Digest
	if len(spec.Placement.Platforms) == 0 {
		spec.Placement.Platforms = found.Platforms
	}
	return nil
}

// DropCarried forgets what a spec that was read and changed still has of the image
// that it had before: its digest and its platforms.
func DropCarried(spec, current *api.ServiceSpec) {
	if current == nil || spec.Container.Image == current.Container.Image {
		return
	}
	if spec.Container.Digest == current.Container.Digest {
		spec.Container.Digest = ""
	}
	if slices.Equal(spec.Placement.Platforms, current.Placement.Platforms) {
		spec.Placement.Platforms = nil
	}
}

// find looks at the loaded images before it asks the registry.
func (i *Images) find(ctx context.Context, name, auth string) (Image, error) {
	if loaded := store.First[api.Image](i.Snapshot, store.ByName, name); loaded != nil {
		return Image{Digest: loaded.Digest, Platforms: loaded.Config.Platforms}, nil
	}
	if i.Registry == nil {
		return Image{}, api.Errorf(api.CodeUnavailable, "image %s is not loaded, and this manager asks no registry: `orc image load FILE` loads one", name)
	}
	if found, known := i.asked[name+" "+auth]; known {
		return found, nil
	}
	found, err := i.Registry.Resolve(ctx, name, auth)
	if err != nil {
		return Image{}, err
	}
	if i.asked == nil {
		i.asked = make(map[string]Image)
	}
	i.asked[name+" "+auth] = found
	return found, nil
}

// keepAuth lets an update without a credential keep the one of the same registry:
// nobody can read it back to send it again.
func keepAuth(container *api.ContainerSpec, current *api.ServiceSpec) {
	if container.RegistryAuth != "" || current == nil || current.Container.RegistryAuth == "" {
		return
	}
	before, err := reference.ParseNormalizedNamed(current.Container.Image)
	if err != nil {
		return
	}
	after, err := reference.ParseNormalizedNamed(container.Image)
	if err == nil && reference.Domain(before) == reference.Domain(after) {
		container.RegistryAuth = current.Container.RegistryAuth
	}
}

package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Resolver asks a registry. auth is api.ContainerSpec.RegistryAuth. Its errors
// are api.Errors: not-found and unauthorized for what the registry says,
// unavailable when it does not answer.
type Resolver interface {
	Resolve(ctx context.Context, image, auth string) (digest string, config api.ImageConfig, err error)
}

// resolved is what an image's name stands for.
type resolved struct {
	digest    string
	platforms []api.Platform // empty: not known
}

// Images pins the images of specs to digests, so that every replica runs the
// same bytes.
type Images struct {
	Snapshot *store.Snapshot
	// Registry may be nil: then only loaded images can be resolved.
	Registry Resolver
	// Warnings are what a user should know afterwards.
	Warnings []string

	asked map[string]resolved
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
		found, err = resolved{current.Container.Digest, current.Placement.Platforms}, nil
	}
	if err != nil {
		return api.Errorf(api.CodeOf(err), "service %s: %w", spec.Name, err)
	}
	container.Digest = found.digest
	if len(spec.Placement.Platforms) == 0 {
		spec.Placement.Platforms = found.platforms
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
func (i *Images) find(ctx context.Context, name, auth string) (resolved, error) {
	if loaded := store.First[api.Image](i.Snapshot, store.ByName, name); loaded != nil {
		return resolved{loaded.Digest, loaded.Config.Platforms}, nil
	}
	if i.Registry == nil {
		return resolved{}, api.Errorf(api.CodeUnavailable, "image %s is not loaded, and this manager asks no registry: `orc image load FILE` loads one", name)
	}
	if found, known := i.asked[name+" "+auth]; known {
		return found, nil
	}
	digest, config, err := i.Registry.Resolve(ctx, name, auth)
	if api.CodeOf(err) == api.CodeUnavailable {
		return resolved{}, api.Errorf(api.CodeUnavailable, "%w; `orc image load FILE` needs no registry", err)
	}
	if err != nil {
		return resolved{}, err
	}
	if i.asked == nil {
		i.asked = make(map[string]resolved)
	}
	found := resolved{digest, config.Platforms}
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

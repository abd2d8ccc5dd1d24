package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/orc-project/orc/api"
)

// The bounds of one question to a registry.
const (
	DefaultTimeout = 20 * time.Second
	// MaxManifestSize bounds an index, a manifest and a configuration, in bytes;
	// registries themselves take no manifest above 4 MiB.
	MaxManifestSize = 4 << 20
	// MaxPlatforms is how many entries of an index are looked at.
	MaxPlatforms = 256
)

// Resolver resolves references at their registries. Its zero value works; it is
// safe for concurrent use.
type Resolver struct {
	// Timeout bounds one Resolve; zero means DefaultTimeout.
	Timeout time.Duration
	// Transport is how registries are reached; nil means the usual one, with the
	// proxy that the environment names.
	Transport http.RoundTripper
}

// Resolve returns the digest that ref stands for now, and what a manager needs to
// know of the image. auth is api.ContainerSpec.RegistryAuth; empty is anonymous.
// A registry on localhost is asked by plain HTTP.
//
// Errors are *api.Error: invalid (no such reference, not an image), not-found,
// unauthorized, or unavailable when the registry does not answer.
func (r *Resolver) Resolve(ctx context.Context, ref, auth string) (string, api.ImageConfig, error) {
	reference, err := name.ParseReference(ref)
	if err != nil {
		return "", api.ImageConfig{}, api.Invalidf("image %q is not a valid reference: want something like registry.example.com/web:1.0", ref)
	}
	login, err := authenticator(auth)
	if err != nil {
		return "", api.ImageConfig{}, err
	}
	timeout := r.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	transport := r.Transport
	if transport == nil {
		transport = remote.DefaultTransport
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuth(login), remote.WithTransport(limited{transport}),
		remote.WithRetryBackoff(remote.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Steps: 2})}
	descriptor, err := remote.Get(reference, options...)
	if err != nil {
		return "", api.ImageConfig{}, explain(ref, reference.Context().RegistryStr(), err)
	}
	config, err := describe(descriptor)
	if err != nil {
		return "", api.ImageConfig{}, explain(ref, reference.Context().RegistryStr(), err)
	}
	return descriptor.Digest.String(), config, nil
}

// describe reads the platforms, and the ports of the first image.
func describe(descriptor *remote.Descriptor) (api.ImageConfig, error) {
	if !descriptor.MediaType.IsIndex() {
		return describeImage(descriptor)
	}
	index, err := descriptor.ImageIndex()
	if err != nil {
		return api.ImageConfig{}, fmt.Errorf("read the index: %w", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return api.ImageConfig{}, fmt.Errorf("read the index: %w", err)
	}
	var config api.ImageConfig
	var first *v1.Hash
	for _, entry := range manifest.Manifests[:min(len(manifest.Manifests), MaxPlatforms)] {
		if entry.Platform == nil || entry.Platform.OS == "unknown" || !entry.MediaType.IsImage() {
			continue // an attestation, say
		}
		platform := api.Platform{OS: entry.Platform.OS, Arch: entry.Platform.Architecture}
		if !slices.Contains(config.Platforms, platform) {
			config.Platforms = append(config.Platforms, platform)
		}
		if first == nil && platform.OS == "linux" {
			first = &entry.Digest
		}
	}
	if first == nil {
		return config, nil
	}
	image, err := index.Image(*first)
	if err != nil {
		return api.ImageConfig{}, fmt.Errorf("read the image: %w", err)
	}
	file, err := configFile(image)
	if err != nil {
		return api.ImageConfig{}, err
	}
	config.ExposedPorts = ports(file)
	return config, nil
}

func describeImage(descriptor *remote.Descriptor) (api.ImageConfig, error) {
	switch descriptor.MediaType {
	case types.OCIManifestSchema1, types.DockerManifestSchema2:
	default:
		return api.ImageConfig{}, errNotImage(descriptor.MediaType)
	}
	image, err := descriptor.Image()
	if err != nil {
		return api.ImageConfig{}, fmt.Errorf("read the image: %w", err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		return api.ImageConfig{}, fmt.Errorf("read the image: %w", err)
	}
	if manifest.Config.MediaType != types.OCIConfigJSON && manifest.Config.MediaType != types.DockerConfigJSON {
		return api.ImageConfig{}, errNotImage(manifest.Config.MediaType)
	}
	file, err := configFile(image)
	if err != nil {
		return api.ImageConfig{}, err
	}
	config := api.ImageConfig{ExposedPorts: ports(file)}
	if file.OS != "" && file.Architecture != "" {
		config.Platforms = []api.Platform{{OS: file.OS, Arch: file.Architecture}}
	}
	return config, nil
}

func configFile(image v1.Image) (*v1.ConfigFile, error) {
	raw, err := image.RawConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the image's configuration: %w", err)
	}
	var file v1.ConfigFile
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("read the image's configuration: %w", err)
	}
	return &file, nil
}

func ports(file *v1.ConfigFile) []string {
	return slices.Sorted(maps.Keys(file.Config.ExposedPorts))
}

// limited reads at most MaxManifestSize of an answer.
type limited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := l.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{&bounded{from: response.Body, left: MaxManifestSize}, response.Body}
	return response, nil
}

type bounded struct {
	from io.Reader
	left int
}

// Read implements io.Reader; more than the bound is errTooLarge.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

package client

import (
	"context"
	"net/http"

	"github.com/orc-project/orc/api"
)

// Networks lists networks by name.
func (c *Client) Networks(ctx context.Context) ([]api.Network, error) {
	return get[[]api.Network](ctx, c, path("networks"), nil)
}

// Network returns one network.
func (c *Client) Network(ctx context.Context, ref string) (api.Network, error) {
	return get[api.Network](ctx, c, path("networks", ref), nil)
}

// CreateNetwork makes a network; spec.Name is its name.
func (c *Client) CreateNetwork(ctx context.Context, spec api.NetworkSpec) (api.Network, error) {
	return exchange[api.Network](ctx, c, http.MethodPost, path("networks"), nil, spec)
}

// RemoveNetwork removes a network that no service uses.
func (c *Client) RemoveNetwork(ctx context.Context, ref string) error {
	return call(ctx, c, http.MethodDelete, path("networks", ref), nil, nil)
}

// Volumes lists the declared volumes by name.
func (c *Client) Volumes(ctx context.Context) ([]api.Volume, error) {
	return get[[]api.Volume](ctx, c, path("volumes"), nil)
}

// Volume returns one volume.
func (c *Client) Volume(ctx context.Context, ref string) (api.Volume, error) {
	return get[api.Volume](ctx, c, path("volumes", ref), nil)
}

// CreateVolume declares a volume; spec.Name is its name.
func (c *Client) CreateVolume(ctx context.Context, spec api.VolumeSpec) (api.Volume, error) {
	return exchange[api.Volume](ctx, c, http.MethodPost, path("volumes"), nil, spec)
}

// RemoveVolume forgets a declared volume that no service uses. Its data stays on
// the nodes.
func (c *Client) RemoveVolume(ctx context.Context, ref string) error {
	return call(ctx, c, http.MethodDelete, path("volumes", ref), nil, nil)
}

// Secrets lists secrets by name, without their content.
func (c *Client) Secrets(ctx context.Context) ([]api.Secret, error) {
	return get[[]api.Secret](ctx, c, path("secrets"), nil)
}

// Secret returns one secret, without its content.
func (c *Client) Secret(ctx context.Context, ref string) (api.Secret, error) {
	return get[api.Secret](ctx, c, path("secrets", ref), nil)
}

// CreateSecret stores a secret; spec.Name is its name.
func (c *Client) CreateSecret(ctx context.Context, spec api.FileSpec) (api.Secret, error) {
	return exchange[api.Secret](ctx, c, http.MethodPost, path("secrets"), nil, spec)
}

// UpdateSecret gives a secret new content and rolls the services that use it.
func (c *Client) UpdateSecret(ctx context.Context, ref string, update api.FileUpdate) (api.Secret, error) {
	return exchange[api.Secret](ctx, c, http.MethodPut, path("secrets", ref), nil, update)
}

// RemoveSecret removes a secret that no service uses.
func (c *Client) RemoveSecret(ctx context.Context, ref string) error {
	return call(ctx, c, http.MethodDelete, path("secrets", ref), nil, nil)
}

// Configs lists configs by name.
func (c *Client) Configs(ctx context.Context) ([]api.Config, error) {
	return get[[]api.Config](ctx, c, path("configs"), nil)
}

// Config returns one config with its content.
func (c *Client) Config(ctx context.Context, ref string) (api.Config, error) {
	return get[api.Config](ctx, c, path("configs", ref), nil)
}

// CreateConfig stores a config; spec.Name is its name.
func (c *Client) CreateConfig(ctx context.Context, spec api.FileSpec) (api.Config, error) {
	return exchange[api.Config](ctx, c, http.MethodPost, path("configs"), nil, spec)
}

// UpdateConfig gives a config new content and rolls the services that use it.
func (c *Client) UpdateConfig(ctx context.Context, ref string, update api.FileUpdate) (api.Config, error) {
	return exchange[api.Config](ctx, c, http.MethodPut, path("configs", ref), nil, update)
}

// RemoveConfig removes a config that no service uses.
func (c *Client) RemoveConfig(ctx context.Context, ref string) error {
	return call(ctx, c, http.MethodDelete, path("configs", ref), nil, nil)
}

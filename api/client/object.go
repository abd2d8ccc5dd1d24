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

// Network returns one network with what is on it.
func (c *Client) Network(ctx context.Context, ref string) (api.NetworkView, error) {
	return get[api.NetworkView](ctx, c, path("networks", ref), nil)
}

// PruneNetworks removes the networks that no service uses, and returns them; a dry
// run only tells which.
func (c *Client) PruneNetworks(ctx context.Context, request api.NetworkPrune) ([]api.Network, error) {
	return exchange[[]api.Network](ctx, c, http.MethodPost, path("networks", "prune"), nil, request)
}

// CreateNetwork makes a network; spec.Name is its name.
func (c *Client) CreateNetwork(ctx context.Context, spec api.NetworkSpec) (api.Network, error) {
	return exchange[api.Network](ctx, c, http.MethodPost, path("networks"), nil, spec)
}

// RemoveNetwork removes a network that no service uses.
func (c *Client) RemoveNetwork(ctx context.Context, ref string) error {
	return call(ctx, c, http.MethodDelete, path("networks", ref), nil, nil)
}

// Volumes lists the volumes that are declared or that nodes have, by name; node,
// unless it is empty, limits that to one.
func (c *Client) Volumes(ctx context.Context, node string) (api.Listing[api.VolumeView], error) {
	return get[api.Listing[api.VolumeView]](ctx, c, path("volumes"), values("node", node))
}

// Volume returns one volume.
func (c *Client) Volume(ctx context.Context, ref string) (api.VolumeView, error) {
	return get[api.VolumeView](ctx, c, path("volumes", ref), nil)
}

// CreateVolume declares a volume; spec.Name is its name.
func (c *Client) CreateVolume(ctx context.Context, spec api.VolumeSpec) (api.Volume, error) {
	return exchange[api.Volume](ctx, c, http.MethodPost, path("volumes"), nil, spec)
}

// RemoveVolume removes a volume that no service uses with its data on every node,
// or only the data on one node. force does so although a node that has it is away.
func (c *Client) RemoveVolume(ctx context.Context, ref, node string, force bool) ([]api.NodePruned, error) {
	query := values("node", node)
	if force {
		query.Set("force", "1")
	}
	return exchange[[]api.NodePruned](ctx, c, http.MethodDelete, path("volumes", ref), query, nil)
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

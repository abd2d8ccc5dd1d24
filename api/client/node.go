package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/orc-project/orc/api"
)

// Nodes lists the nodes by name.
func (c *Client) Nodes(ctx context.Context) ([]api.NodeView, error) {
	return get[[]api.NodeView](ctx, c, path("nodes"), nil)
}

// Node returns one node. References are an ID, the unique beginning of one, or a
// name; here also "self", the manager that answers.
func (c *Client) Node(ctx context.Context, ref string) (api.NodeView, error) {
	return get[api.NodeView](ctx, c, path("nodes", ref), nil)
}

// UpdateNode changes what the update names.
func (c *Client) UpdateNode(ctx context.Context, ref string, update api.NodeUpdate) (api.NodeView, error) {
	return exchange[api.NodeView](ctx, c, http.MethodPatch, path("nodes", ref), nil, update)
}

// RemoveNode removes a node that is down, or with force any but the last manager.
func (c *Client) RemoveNode(ctx context.Context, ref string, force bool) error {
	return call(ctx, c, http.MethodDelete, path("nodes", ref), forced(force), nil)
}

func forced(force bool) url.Values {
	if !force {
		return nil
	}
	return url.Values{"force": {"1"}}
}

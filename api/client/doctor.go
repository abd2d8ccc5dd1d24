package client

import (
	"context"

	"github.com/orc-project/orc/api"
)

// Doctor asks every node, or one, what it finds out about itself.
func (c *Client) Doctor(ctx context.Context, node string) ([]api.Finding, error) {
	return get[[]api.Finding](ctx, c, path("doctor"), values("node", node))
}

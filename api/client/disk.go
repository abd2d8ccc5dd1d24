package client

import (
	"context"
	"net/http"

	"github.com/orc-project/orc/api"
)

// Usage tells what every node, or one of them, keeps on its disk.
func (c *Client) Usage(ctx context.Context, node string) ([]api.NodeUsage, error) {
	return get[[]api.NodeUsage](ctx, c, path("usage"), values("node", node))
}

// Prune removes what nothing uses, and tells what was, or for a dry run would be,
// removed.
func (c *Client) Prune(ctx context.Context, request api.PruneRequest) ([]api.NodePruned, error) {
	return exchange[[]api.NodePruned](ctx, c, http.MethodPost, path("prune"), nil, request)
}

package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/orc-project/orc/api"
)

// Images lists the images that were loaded or that nodes have, by name; node,
// unless it is empty, limits that to one.
func (c *Client) Images(ctx context.Context, node string) (api.Listing[api.ImageView], error) {
	return get[api.Listing[api.ImageView]](ctx, c, path("images"), values("node", node))
}

// LoadImages sends an archive (of Docker or OCI) of size bytes, 0 when not known,
// to every node and yields how it goes on. The last line has the images.
func (c *Client) LoadImages(ctx context.Context, archive io.Reader, size int64) iter.Seq2[api.LoadProgress, error] {
	query := values()
	if size > 0 {
		query.Set("size", strconv.FormatInt(size, 10))
	}
	return stream[api.LoadProgress](ctx, c, http.MethodPost, path("images"), query, archive)
}

// RemoveImage removes an image from every node where no task needs it, and forgets
// that it was loaded. One that a service uses goes only with force.
func (c *Client) RemoveImage(ctx context.Context, ref string, force bool) ([]api.NodePruned, error) {
	return exchange[[]api.NodePruned](ctx, c, http.MethodDelete, path("images", ref), forced(force), nil)
}

package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/orc-project/orc/api"
)

// Images lists the images that were loaded into the cluster, by name.
func (c *Client) Images(ctx context.Context) ([]api.Image, error) {
	return get[[]api.Image](ctx, c, path("images"), nil)
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

// RemoveImage forgets a loaded image's name. Nodes keep its content while tasks
// use it.
func (c *Client) RemoveImage(ctx context.Context, ref string) error {
	return call(ctx, c, http.MethodDelete, path("images", ref), nil, nil)
}

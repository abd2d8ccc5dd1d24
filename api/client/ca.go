package client

import (
	"context"
	"net/http"

	"github.com/orc-project/orc/api"
)

// CAStatus tells of the CA's roots, and how far a rotation is.
func (c *Client) CAStatus(ctx context.Context) (api.CAView, error) {
	return get[api.CAView](ctx, c, path("ca", "status"), nil)
}

// RotateCA begins to replace the CA's root. CAStatus tells how far it is.
func (c *Client) RotateCA(ctx context.Context, request api.RotateCA) (api.CAView, error) {
	return exchange[api.CAView](ctx, c, http.MethodPost, path("ca", "rotate"), nil, request)
}

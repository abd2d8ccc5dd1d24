package client

import (
	"context"
	"io"
	"net/http"

	"github.com/orc-project/orc/api"
)

// Version tells what the manager is.
func (c *Client) Version(ctx context.Context) (api.VersionInfo, error) {
	return get[api.VersionInfo](ctx, c, path("version"), nil)
}

// Cluster tells of the cluster.
func (c *Client) Cluster(ctx context.Context) (api.ClusterView, error) {
	return get[api.ClusterView](ctx, c, path("cluster"), nil)
}

// UpdateCluster replaces the cluster's settings.
func (c *Client) UpdateCluster(ctx context.Context, settings api.Settings) (api.ClusterView, error) {
	return exchange[api.ClusterView](ctx, c, http.MethodPut, path("cluster", "settings"), nil, settings)
}

// Token is the standing join token of a role.
func (c *Client) Token(ctx context.Context, role api.Role) (api.JoinToken, error) {
	return get[api.JoinToken](ctx, c, path("tokens", string(role)), nil)
}

// RotateToken makes a new standing join token for a role; the old one is void.
func (c *Client) RotateToken(ctx context.Context, role api.Role) (api.JoinToken, error) {
	return exchange[api.JoinToken](ctx, c, http.MethodPost, path("tokens", string(role), "rotate"), nil, nil)
}

// Tokens are the join tokens that are in force.
func (c *Client) Tokens(ctx context.Context) ([]api.TokenView, error) {
	return get[[]api.TokenView](ctx, c, path("tokens"), nil)
}

// CreateToken makes a join token that ends by time or by use. Nobody can show it
// again.
func (c *Client) CreateToken(ctx context.Context, request api.TokenRequest) (api.JoinToken, error) {
	return exchange[api.JoinToken](ctx, c, http.MethodPost, path("tokens"), nil, request)
}

// RemoveToken makes a join token void, by its ID or the beginning of it.
func (c *Client) RemoveToken(ctx context.Context, id string) error {
	return call(ctx, c, http.MethodDelete, path("tokens", id), nil, nil)
}

// CA returns the cluster's roots (PEM). It needs no certificate, and proves
// nothing by itself: compare the digest of a join token.
func (c *Client) CA(ctx context.Context) ([]byte, error) {
	response, err := c.send(ctx, http.MethodGet, path("ca"), nil, nil, "")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	roots, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, c.explain(err)
	}
	return roots, nil
}

// Join makes the caller a node. It needs no certificate.
func (c *Client) Join(ctx context.Context, request api.JoinRequest) (api.JoinAnswer, error) {
	return exchange[api.JoinAnswer](ctx, c, http.MethodPost, path("join"), nil, request)
}

// Renew gives a node, by its certificate, the next one.
func (c *Client) Renew(ctx context.Context, request api.RenewRequest) (api.RenewAnswer, error) {
	return exchange[api.RenewAnswer](ctx, c, http.MethodPost, path("renew"), nil, request)
}

// CreateClient makes a certificate that lets a user elsewhere do everything.
func (c *Client) CreateClient(ctx context.Context, name string) (api.ClientBundle, error) {
	return exchange[api.ClientBundle](ctx, c, http.MethodPost, path("clients"), nil, api.ClientRequest{Name: name})
}

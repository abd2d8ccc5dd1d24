package client

import (
	"context"
	"net/http"

	"github.com/orc-project/orc/api"
)

// UnlockKey is the key that opens snapshots, and locked managers.
func (c *Client) UnlockKey(ctx context.Context) (api.UnlockKey, error) {
	return get[api.UnlockKey](ctx, c, path("unlock-key"), nil)
}

// RotateUnlockKey makes a new one. What was closed with the old one opens with
// that.
func (c *Client) RotateUnlockKey(ctx context.Context) (api.UnlockKey, error) {
	return exchange[api.UnlockKey](ctx, c, http.MethodPost, path("unlock-key", "rotate"), nil, nil)
}

// Lock locks the manager.
func (c *Client) Lock(ctx context.Context) error {
	return call(ctx, c, http.MethodPost, path("lock"), nil, nil)
}

// Unlock unlocks the manager that the client reaches by its socket.
func (c *Client) Unlock(ctx context.Context, key string) error {
	return call(ctx, c, http.MethodPost, path("unlock"), nil, api.UnlockRequest{Key: key})
}

// RotateKeys begins a rotation of the keys that seal the database. Cluster tells
// how far it is.
func (c *Client) RotateKeys(ctx context.Context) (api.ClusterView, error) {
	return exchange[api.ClusterView](ctx, c, http.MethodPost, path("keys", "rotate"), nil, nil)
}

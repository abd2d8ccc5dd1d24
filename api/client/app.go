package client

import (
	"context"
	"net/http"

	"github.com/orc-project/orc/api"
)

// Apps lists apps by name.
func (c *Client) Apps(ctx context.Context) ([]api.AppView, error) {
	return get[[]api.AppView](ctx, c, path("apps"), nil)
}

// App returns one app.
func (c *Client) App(ctx context.Context, ref string) (api.AppView, error) {
	return get[api.AppView](ctx, c, path("apps", ref), nil)
}

// Deploy makes an app what the spec says: all of it or nothing.
func (c *Client) Deploy(ctx context.Context, request api.AppDeploy) (api.Deployment, error) {
	return exchange[api.Deployment](ctx, c, http.MethodPost, path("apps"), nil, request)
}

// RollbackApp deploys an earlier revision of an app again; 0 is the one before.
func (c *Client) RollbackApp(ctx context.Context, ref string, to int) (api.Deployment, error) {
	return exchange[api.Deployment](ctx, c, http.MethodPost, path("apps", ref, "rollback"), nil, api.RollbackRequest{To: to})
}

// RemoveApp removes an app with all that is its own. Data in volumes stays on
// the nodes.
func (c *Client) RemoveApp(ctx context.Context, ref string) (api.Deployment, error) {
	return exchange[api.Deployment](ctx, c, http.MethodDelete, path("apps", ref), nil, nil)
}

// AppRevisions lists an app's kept revisions, the newest first.
func (c *Client) AppRevisions(ctx context.Context, ref string) ([]api.RevisionView, error) {
	return get[[]api.RevisionView](ctx, c, path("apps", ref, "revisions"), nil)
}

package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/orc-project/orc/api"
)

// ServiceQuery says which services are wanted; the zero value is all.
type ServiceQuery struct {
	App string // reference
}

// Services lists services by name.
func (c *Client) Services(ctx context.Context, q ServiceQuery) ([]api.ServiceView, error) {
	return get[[]api.ServiceView](ctx, c, path("services"), values("app", q.App))
}

// Service returns one service.
func (c *Client) Service(ctx context.Context, ref string) (api.ServiceView, error) {
	return get[api.ServiceView](ctx, c, path("services", ref), nil)
}

// CreateService makes a service.
func (c *Client) CreateService(ctx context.Context, request api.ServiceCreate) (api.ServiceAnswer, error) {
	return exchange[api.ServiceAnswer](ctx, c, http.MethodPost, path("services"), nil, request)
}

// UpdateService gives a service a new spec. A Version that is not the service's
// any more is a conflict: read it again and decide again.
func (c *Client) UpdateService(ctx context.Context, ref string, request api.ServiceUpdate) (api.ServiceAnswer, error) {
	return exchange[api.ServiceAnswer](ctx, c, http.MethodPut, path("services", ref), nil, request)
}

// RollbackService goes back to a revision; 0 is the previous one.
func (c *Client) RollbackService(ctx context.Context, ref string, to int) (api.ServiceAnswer, error) {
	return exchange[api.ServiceAnswer](ctx, c, http.MethodPost, path("services", ref, "rollback"), nil, api.RollbackRequest{To: to})
}

// RemoveService removes a service and its tasks.
func (c *Client) RemoveService(ctx context.Context, ref string) error {
	return call(ctx, c, http.MethodDelete, path("services", ref), nil, nil)
}

// ServiceRevisions lists a service's kept revisions, the newest first.
func (c *Client) ServiceRevisions(ctx context.Context, ref string) ([]api.RevisionView, error) {
	return get[[]api.RevisionView](ctx, c, path("services", ref, "revisions"), nil)
}

// Scale sets the replicas of services, all or none of them.
func (c *Client) Scale(ctx context.Context, replicas map[string]int) ([]api.ServiceView, error) {
	return exchange[[]api.ServiceView](ctx, c, http.MethodPost, path("scale"), nil, replicas)
}

// values makes a query of pairs, leaving out empty values.
func values(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}

// Rebalance moves tasks to where they are spread better: of the services, or of
// all. It answers before they are moved.
func (c *Client) Rebalance(ctx context.Context, request api.RebalanceRequest) ([]api.Rebalance, error) {
	return exchange[[]api.Rebalance](ctx, c, http.MethodPost, path("rebalance"), nil, request)
}

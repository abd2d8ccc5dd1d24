package client

import (
	"context"
	"net/http"

	"github.com/orc-project/orc/api"
)

// TaskQuery says which tasks are wanted; the zero value is all. Service, App and
// Node are references.
type TaskQuery struct {
	Service, App, Node string
	Desired            api.Desired
}

// Tasks lists tasks: by service, slot, and the newest of a slot first.
func (c *Client) Tasks(ctx context.Context, q TaskQuery) ([]api.TaskView, error) {
	query := values("service", q.Service, "app", q.App, "node", q.Node, "desired", string(q.Desired))
	return get[[]api.TaskView](ctx, c, path("tasks"), query)
}

// Task returns one task: by ID, the beginning of one, or SERVICE.SLOT, which is
// the newest task of that slot.
func (c *Client) Task(ctx context.Context, ref string) (api.TaskView, error) {
	return get[api.TaskView](ctx, c, path("tasks", ref), nil)
}

// ContainerQuery says which containers are wanted; the zero value is all that
// are there now, All those that ended too.
type ContainerQuery struct {
	Node, Service, App string
	All                bool
}

// Containers lists containers, the newest first.
func (c *Client) Containers(ctx context.Context, q ContainerQuery) ([]api.ContainerView, error) {
	query := values("service", q.Service, "app", q.App, "node", q.Node)
	if q.All {
		query.Set("all", "1")
	}
	return get[[]api.ContainerView](ctx, c, path("containers"), query)
}

// Container returns one container: by ID, the beginning of one, or its task's
// name.
func (c *Client) Container(ctx context.Context, ref string) (api.ContainerView, error) {
	return get[api.ContainerView](ctx, c, path("containers", ref), nil)
}

// RemoveContainer removes a container; one that runs only with force. Its task
// gets a new one, as its restart policy says.
func (c *Client) RemoveContainer(ctx context.Context, ref string, force bool) error {
	return call(ctx, c, http.MethodDelete, path("containers", ref), forced(force), nil)
}

package rest

import (
	"context"
	"net/http"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

var nodeRoutes = []Route{
	{Method: "GET", Path: "/v1/nodes", Access: Users, Does: "the nodes", handler: (*API).nodes},
	{Method: "GET", Path: "/v1/nodes/{ref}", Access: Users, Does: "one node; `self` is the manager that answers", handler: (*API).getNode},
	{Method: "PATCH", Path: "/v1/nodes/{ref}", Access: Users, Does: "change a node's name, availability, labels or role", handler: (*API).updateNode},
	{Method: "DELETE", Path: "/v1/nodes/{ref}", Access: Users, Does: "remove a node that is down; with `force=1` one that is up", handler: (*API).removeNode},
}

func (a *API) nodes(w http.ResponseWriter, r *http.Request) error {
	snapshot, leader := a.store.Snapshot(), a.leader(r.Context())
	views := []api.NodeView{}
	for _, node := range list[api.Node](snapshot) {
		views = append(views, a.viewNode(snapshot, node, leader))
	}
	return reply(w, views)
}

func (a *API) findNode(s *store.Snapshot, ref string) (*api.Node, error) {
	if ref == "self" {
		ref = a.node
	}
	return find[api.Node](s, "node", ref)
}

func (a *API) getNode(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	node, err := a.findNode(snapshot, r.PathValue("ref"))
	if err != nil {
		return err
	}
	return reply(w, a.viewNode(snapshot, node, a.leader(r.Context())))
}

func (a *API) updateNode(w http.ResponseWriter, r *http.Request) error {
	update, err := decode[api.NodeUpdate](r)
	if err != nil {
		return err
	}
	var node *api.Node
	demoted := false
	_, snapshot, err := a.commit(r, func(d *deploy.Draft) (err error) {
		if node, err = a.findNode(d.Snapshot(), r.PathValue("ref")); err != nil {
			return err
		}
		demoted = node.Role == api.RoleManager && update.Role != nil && *update.Role == api.RoleWorker
		if demoted {
			if err := a.managers.MayLeave(r.Context(), node, update.Force); err != nil {
				return err
			}
		}
		return d.UpdateNode(node, update)
	})
	if err == nil && demoted {
		err = a.leave(r, node, update.Force)
	}
	if err != nil {
		return err
	}
	if changed := store.Get[api.Node](snapshot, node.ID); changed != nil {
		node = changed
	}
	return reply(w, a.viewNode(snapshot, node, a.leader(r.Context())))
}

// leave takes a manager's database out. It may be this one's own, whose end is this
// request's too: what was begun is brought to its end.
func (a *API) leave(r *http.Request, node *api.Node, force bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), commitTimeout)
	defer cancel()
	return a.managers.Leave(ctx, node, force)
}

func (a *API) removeNode(w http.ResponseWriter, r *http.Request) error {
	force, err := truth(r, "force")
	if err != nil {
		return err
	}
	var node *api.Node
	_, _, err = a.commit(r, func(d *deploy.Draft) (err error) {
		if node, err = a.findNode(d.Snapshot(), r.PathValue("ref")); err != nil {
			return err
		}
		if err := d.RemoveNode(node, force); err != nil || node.Role != api.RoleManager {
			return err
		}
		return a.managers.MayLeave(r.Context(), node, false)
	})
	if err == nil && node.Role == api.RoleManager {
		err = a.leave(r, node, false)
	}
	if err != nil {
		return err
	}
	return done(w)
}

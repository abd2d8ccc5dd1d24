package rest

import (
	"maps"
	"net/http"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

var serviceRoutes = []Route{
	{Method: "GET", Path: "/v1/services", Access: Users, Does: "the services; of one app with `app=`", handler: (*API).services},
	{Method: "POST", Path: "/v1/services", Access: Users, Does: "create a service", handler: (*API).createService},
	{Method: "GET", Path: "/v1/services/{ref}", Access: Users, Does: "one service", handler: (*API).service},
	{Method: "PUT", Path: "/v1/services/{ref}", Access: Users, Does: "give a service a new spec", handler: (*API).updateService},
	{Method: "DELETE", Path: "/v1/services/{ref}", Access: Users, Does: "remove a service", handler: (*API).removeService},
	{Method: "GET", Path: "/v1/services/{ref}/revisions", Access: Users, Does: "a service's kept revisions, newest first", handler: (*API).serviceRevisions},
	{Method: "POST", Path: "/v1/services/{ref}/rollback", Access: Users, Does: "go back to a revision", handler: (*API).rollbackService},
	{Method: "POST", Path: "/v1/scale", Access: Users, Does: "set the replicas of services: all or none", handler: (*API).scale},
	{Method: "POST", Path: "/v1/rebalance", Access: Users, Does: "move tasks of services, or of all, to where they are spread better, at their updates' pace; `dryRun` only tells", handler: (*API).rebalance},
}

func findService(s *store.Snapshot, r *http.Request) (*api.Service, error) {
	return find[api.Service](s, "service", r.PathValue("ref"))
}

func (a *API) services(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	chosen, err := choose(snapshot, r.URL.Query().Get)
	if err != nil {
		return err
	}
	views := []api.ServiceView{}
	for _, service := range list[api.Service](snapshot) {
		if chosen.app == nil || service.App == chosen.app.ID {
			views = append(views, viewService(snapshot, service))
		}
	}
	return reply(w, views)
}

func (a *API) service(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	service, err := findService(snapshot, r)
	if err != nil {
		return err
	}
	return reply(w, viewService(snapshot, service))
}

func (a *API) createService(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.ServiceCreate](r)
	if err != nil {
		return err
	}
	snapshot, err := a.newest(r)
	if err != nil {
		return err
	}
	var service *api.Service
	decide := func(d *deploy.Draft) (err error) {
		service, err = d.CreateService(request.Spec)
		return err
	}
	if err := rehearse(snapshot, decide); err != nil {
		return err
	}
	images := &deploy.Images{Snapshot: snapshot, Registry: a.resolver}
	if err := images.Resolve(r.Context(), &request.Spec, nil, request.NoResolve); err != nil {
		return err
	}
	draft, snapshot, err := a.commit(r, decide)
	if err != nil {
		return err
	}
	return replyService(w, draft, snapshot, service.ID, images.Warnings)
}

func (a *API) updateService(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.ServiceUpdate](r)
	if err != nil {
		return err
	}
	snapshot, err := a.newest(r)
	if err != nil {
		return err
	}
	service, err := findService(snapshot, r)
	if err != nil {
		return unwritten(err)
	}
	current := deploy.CurrentSpec(snapshot, service)
	images := &deploy.Images{Snapshot: snapshot, Registry: a.resolver}
	deploy.DropCarried(&request.Spec, current)
	decide := func(d *deploy.Draft) error {
		service, err := findService(d.Snapshot(), r)
		if err != nil {
			return err
		}
		return d.UpdateService(service, request.Spec, request.Version, request.Force)
	}
	if err := rehearse(snapshot, decide); err != nil {
		return err
	}
	if err := images.Resolve(r.Context(), &request.Spec, current, request.NoResolve); err != nil {
		return err
	}
	draft, snapshot, err := a.commit(r, decide)
	if err != nil {
		return err
	}
	return replyService(w, draft, snapshot, service.ID, images.Warnings)
}

func (a *API) rollbackService(w http.ResponseWriter, r *http.Request) error {
	request, err := decodeOptional[api.RollbackRequest](r)
	if err != nil {
		return err
	}
	var service *api.Service
	draft, snapshot, err := a.commit(r, func(d *deploy.Draft) (err error) {
		if service, err = findService(d.Snapshot(), r); err != nil {
			return err
		}
		return d.RollbackService(service, request.To)
	})
	if err != nil {
		return err
	}
	return replyService(w, draft, snapshot, service.ID, nil)
}

func replyService(w http.ResponseWriter, draft *deploy.Draft, s *store.Snapshot, id string, warnings []string) error {
	service := store.Get[api.Service](s, id)
	if service == nil {
		return api.NotFoundf("service %s was removed meanwhile", api.ShortID(id))
	}
	answer := api.ServiceAnswer{Service: viewService(s, service), Changed: draft.Changed(), Warnings: slices.Concat(warnings, draft.Warnings)}
	for _, step := range draft.Steps {
		answer.Changes = append(answer.Changes, step.Changes...)
	}
	return reply(w, answer)
}

func (a *API) removeService(w http.ResponseWriter, r *http.Request) error {
	_, _, err := a.commit(r, func(d *deploy.Draft) error {
		service, err := findService(d.Snapshot(), r)
		if err != nil {
			return err
		}
		d.RemoveService(service, "as asked")
		return nil
	})
	if err != nil {
		return err
	}
	return done(w)
}

func (a *API) scale(w http.ResponseWriter, r *http.Request) error {
	replicas, err := decode[map[string]int](r)
	if err != nil {
		return err
	}
	if len(replicas) == 0 {
		return api.Invalidf("no service is named: want {\"SERVICE\": REPLICAS}")
	}
	var ids []string
	_, snapshot, err := a.commit(r, func(d *deploy.Draft) error {
		ids = nil
		for _, ref := range slices.Sorted(maps.Keys(replicas)) {
			service, err := find[api.Service](d.Snapshot(), "service", ref)
			if err != nil {
				return err
			}
			if slices.Contains(ids, service.ID) {
				return api.Invalidf("service %s is named twice", service.Name)
			}
			ids = append(ids, service.ID)
			if err := d.Scale(service, replicas[ref]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	views := []api.ServiceView{}
	for _, id := range ids {
		if service := store.Get[api.Service](snapshot, id); service != nil {
			views = append(views, viewService(snapshot, service))
		}
	}
	return reply(w, views)
}

func (a *API) serviceRevisions(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	service, err := findService(snapshot, r)
	if err != nil {
		return err
	}
	revisions := slices.SortedFunc(store.Find[api.Revision](snapshot, store.ByService, service.ID),
		func(a, b *api.Revision) int { return a.Number - b.Number })
	views := []api.RevisionView{}
	for i, revision := range revisions {
		spec := public(snapshot, revision.Spec)
		view := api.RevisionView{
			Number: revision.Number, Current: revision.Number == service.Current, Meta: revision.Meta,
			Image: spec.Container.Image, Service: &spec,
		}
		if i > 0 {
			view.Changes = api.DiffSpec(public(snapshot, revisions[i-1].Spec), spec)
		}
		views = append(views, view)
	}
	slices.Reverse(views)
	return reply(w, views)
}

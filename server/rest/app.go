package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

var appRoutes = []Route{
	{Method: "GET", Path: "/v1/apps", Access: Users, Does: "the apps", handler: (*API).apps},
	{Method: "POST", Path: "/v1/apps", Access: Users, Does: "deploy an app: all of it or nothing; `dryRun` only tells", limit: appBody, handler: (*API).deploy},
	{Method: "GET", Path: "/v1/apps/{ref}", Access: Users, Does: "one app with its spec", handler: (*API).app},
	{Method: "DELETE", Path: "/v1/apps/{ref}", Access: Users, Does: "remove an app and all that is its own", handler: (*API).removeApp},
	{Method: "GET", Path: "/v1/apps/{ref}/revisions", Access: Users, Does: "an app's kept revisions, newest first", handler: (*API).appRevisions},
	{Method: "POST", Path: "/v1/apps/{ref}/rollback", Access: Users, Does: "deploy an earlier revision again", handler: (*API).rollbackApp},
}

func findApp(s *store.Snapshot, r *http.Request) (*api.App, error) {
	return find[api.App](s, "app", r.PathValue("ref"))
}

func (a *API) apps(w http.ResponseWriter, _ *http.Request) error {
	snapshot := a.store.Snapshot()
	views := []api.AppView{}
	for _, app := range list[api.App](snapshot) {
		view := viewApp(snapshot, app)
		view.Spec.Configs = nil // their contents make a list long
		views = append(views, view)
	}
	return reply(w, views)
}

func (a *API) app(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	app, err := findApp(snapshot, r)
	if err != nil {
		return err
	}
	return reply(w, viewApp(snapshot, app))
}

func (a *API) deploy(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.AppDeploy](r)
	if err != nil {
		return err
	}
	snapshot, err := a.newest(r)
	if err != nil {
		return err
	}
	images := &deploy.Images{Snapshot: snapshot, Registry: a.resolver}
	resolve := func(spec, current *api.ServiceSpec) error {
		return images.Resolve(r.Context(), spec, current, request.NoResolve)
	}
	if err := rehearse(snapshot, func(d *deploy.Draft) error {
		spec, unresolved := request.Spec, func(_, _ *api.ServiceSpec) error { return nil }
		if err := deploy.PrepareApp(unresolved, snapshot, &spec); err != nil {
			return err
		}
		_, err := d.Deploy(spec, request.Prune)
		return err
	}); err != nil {
		return err
	}
	if err := deploy.PrepareApp(resolve, snapshot, &request.Spec); err != nil {
		return err
	}
	var app *api.App
	decide := func(d *deploy.Draft) (err error) {
		app, err = d.Deploy(request.Spec, request.Prune)
		return err
	}
	if request.DryRun {
		draft := deploy.NewDraft(snapshot, time.Now(), api.NewID)
		if err := decide(draft); err != nil {
			return err
		}
		if store.Get[api.App](snapshot, app.ID) == nil {
			app.ID = ""
		}
		return reply(w, deployment(draft, app, images.Warnings))
	}
	draft, _, err := a.commit(r, decide)
	if err != nil {
		return err
	}
	return reply(w, deployment(draft, app, images.Warnings))
}

func deployment(draft *deploy.Draft, app *api.App, warnings []string) api.Deployment {
	return api.Deployment{
		App: app.ID, Name: app.Name, Revision: app.Current, Changed: draft.Changed(),
		Steps: draft.Steps, Warnings: slices.Concat(warnings, draft.Warnings),
	}
}

func (a *API) removeApp(w http.ResponseWriter, r *http.Request) error {
	var app *api.App
	draft, _, err := a.commit(r, func(d *deploy.Draft) (err error) {
		if app, err = findApp(d.Snapshot(), r); err != nil {
			return err
		}
		return d.RemoveApp(app)
	})
	if err != nil {
		return err
	}
	return reply(w, deployment(draft, app, nil))
}

func (a *API) rollbackApp(w http.ResponseWriter, r *http.Request) error {
	request, err := decodeOptional[api.RollbackRequest](r)
	if err != nil {
		return err
	}
	var app *api.App
	draft, _, err := a.commit(r, func(d *deploy.Draft) error {
		before, err := findApp(d.Snapshot(), r)
		if err != nil {
			return err
		}
		app, err = d.RollbackApp(before, request.To)
		return err
	})
	if err != nil {
		return err
	}
	return reply(w, deployment(draft, app, nil))
}

func (a *API) appRevisions(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	app, err := findApp(snapshot, r)
	if err != nil {
		return err
	}
	revisions := slices.SortedFunc(store.Find[api.AppRevision](snapshot, store.ByApp, app.ID),
		func(a, b *api.AppRevision) int { return a.Number - b.Number })
	views := []api.RevisionView{}
	for i, revision := range revisions {
		spec := publicApp(revision.Spec)
		view := api.RevisionView{Number: revision.Number, Current: revision.Number == app.Current, Meta: revision.Meta, App: &spec}
		if i > 0 {
			// Of the whole specs: that a secret's content changed is told, not what it is.
			view.Changes = api.DiffSpec(revisions[i-1].Spec, revision.Spec)
		}
		views = append(views, view)
	}
	slices.Reverse(views)
	return reply(w, views)
}

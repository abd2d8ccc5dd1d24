package deploy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// PrepareApp sets the defaults of an app's services, checks all of it and pins
// the images. It changes spec. Services are named as in the file.
func PrepareApp(resolve func(spec, current *api.ServiceSpec) error, snapshot *store.Snapshot, spec *api.AppSpec) error {
	spec.Services = maps.Clone(spec.Services)
	for key, service := range spec.Services {
		service.Name = key
		service.Defaults()
		spec.Services[key] = service
	}
	if err := spec.Validate(); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(spec.Services)) {
		service := spec.Services[key]
		var current *api.ServiceSpec
		if existing := store.First[api.Service](snapshot, store.ByName, spec.Name+"_"+key); existing != nil {
			current = CurrentSpec(snapshot, existing)
		}
		if err := resolve(&service, current); err != nil {
			return err
		}
		spec.Services[key] = service
	}
	return nil
}

// Deploy drafts what makes an app what spec, which went through PrepareApp, says.
// Only what differs changes. Services that the app has and the spec has not stay,
// unless prune is set. It returns the app as it becomes.
func (d *Draft) Deploy(spec api.AppSpec, prune bool) (*api.App, error) {
	before := store.First[api.App](d.snapshot, store.ByName, spec.Name)
	a := d.beginApp(before, spec.Name)
	if err := a.deploy(&spec, prune, nil); err != nil {
		return nil, err
	}
	if current := CurrentApp(d.snapshot, before); current == nil || !api.EqualSpec(current.Spec, spec) {
		a.addRevision(spec)
	}
	return a.end()
}

// RollbackApp drafts the deployment of an earlier revision of an app; 0 is the
// one before the current one. Services of which the wanted spec is kept go back
// to that revision. Replicas stay as they are: a rollback does not scale. A service
// that was removed has as many as that revision says.
func (d *Draft) RollbackApp(before *api.App, to int) (*api.App, error) {
	if to == 0 {
		to = d.previousApp(before)
	}
	switch {
	case to == 0:
		return nil, api.Invalidf("app %s has no earlier revision to go back to", before.Name)
	case to == before.Current:
		return nil, api.Invalidf("app %s is at revision %d already", before.Name, to)
	}
	revision := store.Get[api.AppRevision](d.snapshot, api.RevisionID(before.ID, to))
	if revision == nil {
		return nil, api.NotFoundf("app %s has no revision %d: `orc app history %s` lists them", before.Name, to, before.Name)
	}
	spec := revision.Spec
	spec.Services = maps.Clone(spec.Services)
	for key, service := range spec.Services {
		if store.First[api.Service](d.snapshot, store.ByName, before.Name+"_"+key) != nil {
			service.Replicas = nil
		}
		spec.Services[key] = service
	}
	a := d.beginApp(before, before.Name)
	if err := a.deploy(&spec, true, revision); err != nil {
		return nil, err
	}
	a.after.Current = to
	return a.end()
}

func (d *Draft) previousApp(app *api.App) int {
	previous := 0
	for revision := range store.Find[api.AppRevision](d.snapshot, store.ByApp, app.ID) {
		if revision.Number < app.Current {
			previous = max(previous, revision.Number)
		}
	}
	return previous
}

// CurrentApp is the revision that an app is at, or nil. app may be nil.
func CurrentApp(snapshot *store.Snapshot, app *api.App) *api.AppRevision {
	if app == nil {
		return nil
	}
	return store.Get[api.AppRevision](snapshot, api.RevisionID(app.ID, app.Current))
}

// appDraft is a draft's work on one app.
type appDraft struct {
	*Draft
	before, after *api.App
}

func (d *Draft) beginApp(before *api.App, name string) *appDraft {
	a := &appDraft{Draft: d, before: before, after: &api.App{Name: name}}
	if before == nil {
		a.after.ID = d.newID()
	} else {
		copied := *before
		a.after = &copied
		d.require(before)
	}
	return a
}

// deploy drafts everything but the app's own objects. back is the app's revision
// that is gone back to, or nil.
func (a *appDraft) deploy(spec *api.AppSpec, prune bool, back *api.AppRevision) error {
	for _, part := range []func(*api.AppSpec) error{a.networks, a.volumes, a.files} {
		if err := part(spec); err != nil {
			return err
		}
	}
	wanted := make(map[string]bool)
	for _, key := range slices.Sorted(maps.Keys(spec.Services)) {
		service, err := scopeService(spec, key)
		if err != nil {
			return err
		}
		wanted[service.Name] = true
		if err := a.service(service, back); err != nil {
			return err
		}
	}
	for service := range store.Find[api.Service](a.snapshot, store.ByApp, a.after.ID) {
		switch {
		case wanted[service.Name]:
		case prune:
			a.RemoveService(service, "not in the file any more")
		default:
			a.step(Keep, api.KindService, service.Name, "not in the file, but --prune was not given")
		}
	}
	if err := a.rollUsers(); err != nil {
		return err
	}
	if prune {
		a.prune(spec)
	}
	return a.finish()
}

// service drafts one service of the app.
func (a *appDraft) service(spec api.ServiceSpec, back *api.AppRevision) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	existing := store.First[api.Service](a.snapshot, store.ByName, spec.Name)
	switch {
	case existing == nil:
		service := &api.Service{Name: spec.Name, App: a.after.ID, AppName: a.after.Name}
		return a.reviseService(service, nil, spec, "not there yet")
	case existing.App != a.after.ID:
		return api.Conflictf("a service named %s exists already and is not of app %s: remove it, or give the app another name", spec.Name, a.after.Name)
	case back != nil:
		if revision := a.sameRevision(existing, spec); revision != nil {
			a.moveTo(existing, revision, fmt.Sprintf("back to revision %d of the app", back.Number))
			return nil
		}
	}
	after := *existing
	return a.reviseService(&after, existing, spec, "differs from what runs")
}

// sameRevision is the newest kept revision of a service, other than the current
// one, that says what spec says.
func (a *appDraft) sameRevision(service *api.Service, spec api.ServiceSpec) *api.Revision {
	spec.Replicas = nil
	if a.resolve(&spec) != nil {
		return nil
	}
	var found *api.Revision
	for revision := range store.Find[api.Revision](a.snapshot, store.ByService, service.ID) {
		spec.Force = revision.Spec.Force
		if !api.EqualSpec(spec, revision.Spec) {
			continue
		}
		if revision.Number == service.Current {
			return nil // nothing to go back to
		}
		if found == nil || revision.Number > found.Number {
			found = revision
		}
	}
	return found
}

// end drafts the app itself, if anything about it changed.
func (a *appDraft) end() (*api.App, error) {
	switch {
	case a.before == nil:
		a.create(a.after)
	case a.before.Current != a.after.Current || a.before.Last != a.after.Last:
		a.update(a.before, a.after)
	}
	return a.after, nil
}

// addRevision keeps the spec as a new revision, and of the old ones as many as
// api.RevisionHistoryLimit says.
func (a *appDraft) addRevision(spec api.AppSpec) {
	a.after.Last++
	a.after.Current = a.after.Last
	revision := &api.AppRevision{App: a.after.ID, Number: a.after.Last, Spec: spec}
	revision.ID = api.RevisionID(a.after.ID, a.after.Last)
	a.create(revision)
	var old []*api.AppRevision
	for each := range store.Find[api.AppRevision](a.snapshot, store.ByApp, a.after.ID) {
		old = append(old, each)
	}
	slices.SortFunc(old, func(x, y *api.AppRevision) int { return x.Number - y.Number })
	for len(old) >= api.RevisionHistoryLimit {
		a.remove(old[0])
		old = old[1:]
	}
}

// RemoveApp drafts the end of an app and of all that is its own.
func (d *Draft) RemoveApp(app *api.App) error {
	reason := "app " + app.Name + " is removed"
	for service := range store.Find[api.Service](d.snapshot, store.ByApp, app.ID) {
		d.RemoveService(service, reason)
	}
	for network := range store.Find[api.Network](d.snapshot, store.ByApp, app.ID) {
		if err := d.RemoveNetwork(network, reason); err != nil {
			return err
		}
	}
	for volume := range store.Find[api.Volume](d.snapshot, store.ByApp, app.ID) {
		if err := d.RemoveVolume(volume, reason); err != nil {
			return err
		}
	}
	for secret := range store.Find[api.Secret](d.snapshot, store.ByApp, app.ID) {
		if err := d.RemoveFile(secret, reason); err != nil {
			return err
		}
	}
	for config := range store.Find[api.Config](d.snapshot, store.ByApp, app.ID) {
		if err := d.RemoveFile(config, reason); err != nil {
			return err
		}
	}
	for revision := range store.Find[api.AppRevision](d.snapshot, store.ByApp, app.ID) {
		d.remove(revision)
	}
	d.remove(app)
	d.step(Remove, api.KindApp, app.Name, "as asked")
	return nil
}

package deploy

import (
	"fmt"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// file is a secret or a config: they differ only in who may read them.
//
// The newest version has the name. Older ones that a revision still refers to are
// kept as objects of their own, without a name, under api.RevisionID(ID, version),
// so that old tasks can move and a rollback finds what it had.
type file struct {
	*api.Secret
	kind api.Kind
}

func (f *file) object() api.Object {
	if f.kind == api.KindConfig {
		return (*api.Config)(f.Secret)
	}
	return f.Secret
}

func fileOf(object api.Object) *file {
	switch o := object.(type) {
	case *api.Secret:
		if o != nil {
			return &file{o, api.KindSecret}
		}
	case *api.Config:
		if o != nil {
			return &file{(*api.Secret)(o), api.KindConfig}
		}
	}
	return nil
}

// file finds a secret or config by name or ID as this draft leaves it.
func (d *Draft) file(kind api.Kind, name string) *file {
	for _, key := range d.order {
		if f := fileOf(d.puts[key].after); f != nil && f.kind == kind && f.Name != "" && (f.Name == name || f.ID == name) {
			return f
		}
	}
	f := storedFile(d.snapshot, kind, name)
	if f == nil {
		return nil
	}
	if _, here := d.puts[objectKey{kind, f.ID}]; here {
		return nil // removed
	}
	return f
}

// storedFile finds the newest version by name or ID.
func storedFile(snapshot *store.Snapshot, kind api.Kind, name string) *file {
	var f *file
	if kind == api.KindSecret {
		if f = fileOf(store.First[api.Secret](snapshot, store.ByName, name)); f == nil {
			f = fileOf(store.Get[api.Secret](snapshot, name))
		}
	} else if f = fileOf(store.First[api.Config](snapshot, store.ByName, name)); f == nil {
		f = fileOf(store.Get[api.Config](snapshot, name))
	}
	if f == nil || f.Name == "" {
		return nil
	}
	return f
}

func limitOf(kind api.Kind) int {
	if kind == api.KindSecret {
		return api.MaxSecretSize
	}
	return api.MaxConfigSize
}

// CreateFile drafts a secret or config, which kind says, under spec.Name.
func (d *Draft) CreateFile(kind api.Kind, spec api.FileSpec) (api.Object, error) {
	if spec.External {
		return nil, api.Invalidf("%s %s: external is for Compose files", kind, spec.Name)
	}
	if err := spec.Validate(string(kind), spec.Name, limitOf(kind)); err != nil {
		return nil, err
	}
	if storedFile(d.snapshot, kind, spec.Name) != nil {
		return nil, api.Conflictf("a %s named %s exists already", kind, spec.Name)
	}
	return d.newFile(kind, "", spec, "new").object(), nil
}

func (d *Draft) newFile(kind api.Kind, app string, spec api.FileSpec, reason string) *file {
	f := &file{&api.Secret{Name: spec.Name, App: app, Spec: spec, Current: 1}, kind}
	f.ID = d.newID()
	d.create(f.object())
	d.step(Create, kind, f.Name, reason)
	return f
}

// UpdateFile drafts a new version of a secret or config, and new revisions of the
// services that use it.
func (d *Draft) UpdateFile(object api.Object, update api.FileUpdate) error {
	f := fileOf(object)
	spec := f.Spec
	if update.Data != nil {
		spec.Data = update.Data
	}
	if update.Labels != nil {
		spec.Labels = update.Labels
	}
	if err := spec.Validate(string(f.kind), f.Name, limitOf(f.kind)); err != nil {
		return err
	}
	d.reviseFile(f, spec, "as asked")
	if err := d.rollUsers(); err != nil {
		return err
	}
	return d.finish()
}

// reviseFile gives a file its spec. Other content is a new version.
func (d *Draft) reviseFile(before *file, spec api.FileSpec, reason string) {
	if api.EqualSpec(before.Spec, spec) {
		d.require(before.object())
		return
	}
	copied := *before.Secret
	after := &file{&copied, before.kind}
	changes := api.DiffSpec(before.Spec, spec)
	if string(before.Spec.Data) != string(spec.Data) || before.Spec.Template != spec.Template {
		d.archive(before)
		after.Current++
	}
	after.Spec = spec
	d.update(before.object(), after.object())
	d.step(Update, after.kind, after.Name, reason, changes...)
}

// archive keeps the version that is to be replaced, and drops older ones that no
// revision refers to any more.
func (d *Draft) archive(f *file) {
	d.require(d.mark(f.kind, markID(f)).object())
	used := make(map[int]bool)
	for revision := range store.All[api.Revision](d.snapshot) {
		for _, reference := range references(&revision.Spec, f.kind) {
			if reference.ID == f.ID {
				used[reference.Version] = true
			}
		}
	}
	if used[f.Current] {
		old := &file{&api.Secret{Spec: f.Spec, Current: f.Current}, f.kind}
		old.ID = api.RevisionID(f.ID, f.Current)
		d.create(old.object())
	}
	for _, old := range d.archived(f) {
		if !used[old.Current] {
			d.remove(old.object())
		}
	}
}

// archived are the kept older versions.
func (d *Draft) archived(f *file) []*file {
	var old []*file
	for version := 1; version < f.Current; version++ {
		id := api.RevisionID(f.ID, version)
		var found *file
		if f.kind == api.KindSecret {
			found = fileOf(store.Get[api.Secret](d.snapshot, id))
		} else {
			found = fileOf(store.Get[api.Config](d.snapshot, id))
		}
		if found != nil {
			old = append(old, found)
		}
	}
	return old
}

func (d *Draft) removeFile(f *file, reason string) {
	if mark := d.mark(f.kind, markID(f)).object(); mark.Header().Version == 0 {
		d.require(mark)
	} else {
		d.remove(mark)
	}
	d.remove(f.object())
	for _, old := range d.archived(f) {
		d.remove(old.object())
	}
	d.step(Remove, f.kind, f.Name, reason)
}

// rollUsers gives a new revision to every service that uses a file of which this
// draft made a new version, and that the draft does not change anyway.
func (d *Draft) rollUsers() error {
	renewed := make(map[string]*file)
	for _, key := range d.order {
		if p := d.puts[key]; p.before != nil && p.after != nil {
			before, after := fileOf(p.before), fileOf(p.after)
			if after != nil && before.Current != after.Current {
				renewed[after.ID] = after
			}
		}
	}
	if len(renewed) == 0 {
		return nil
	}
	for service := range store.All[api.Service](d.snapshot) {
		if _, ours := d.services[service.ID]; ours {
			continue
		}
		spec := CurrentSpec(d.snapshot, service)
		if spec == nil {
			continue
		}
		for _, kind := range []api.Kind{api.KindSecret, api.KindConfig} {
			for _, reference := range references(spec, kind) {
				f := renewed[reference.ID]
				if f == nil || f.Current == reference.Version {
					continue
				}
				if _, done := d.services[service.ID]; done {
					continue
				}
				after := *service
				if err := d.reviseService(&after, service, *spec, fmt.Sprintf("%s %s has new content", kind, f.Name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func references(spec *api.ServiceSpec, kind api.Kind) []api.FileReference {
	if kind == api.KindSecret {
		return spec.Container.Secrets
	}
	return spec.Container.Configs
}

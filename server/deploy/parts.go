package deploy

import (
	"maps"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// notThere is the reason for whatever an app brings along.
const notThere = "not there yet"

// networks drafts the app's networks.
func (a *appDraft) networks(spec *api.AppSpec) error {
	for _, key := range slices.Sorted(maps.Keys(spec.Networks)) {
		wanted := spec.Networks[key]
		wanted.Name = scoped(spec.Name, key, wanted.Name, wanted.External)
		existing := store.First[api.Network](a.snapshot, store.ByName, wanted.Name)
		switch {
		case wanted.External && existing == nil:
			return api.NotFoundf("network %s is external, and there is none: `orc network create %s` makes it", wanted.Name, wanted.Name)
		case wanted.External:
			continue
		}
		if err := wanted.Validate(wanted.Name); err != nil {
			return err
		}
		switch {
		case existing == nil:
			if _, err := a.newNetwork(a.after.ID, wanted, notThere); err != nil {
				return err
			}
		case existing.App != a.after.ID:
			return foreign(api.KindNetwork, wanted.Name, spec.Name)
		case existing.Spec.Subnet != wanted.Subnet:
			return api.Conflictf("network %s exists: its subnet cannot change from %q to %q; remove the app first", wanted.Name, existing.Spec.Subnet, wanted.Subnet)
		case !api.EqualSpec(existing.Spec, wanted):
			after := *existing
			after.Spec = wanted
			a.update(existing, &after)
			a.step(Update, api.KindNetwork, wanted.Name, "differs", api.DiffSpec(existing.Spec, wanted)...)
		}
	}
	return nil
}

// volumes drafts the app's volumes. One with a name of its own may be shared
// between apps, as with Docker.
func (a *appDraft) volumes(spec *api.AppSpec) error {
	for _, key := range slices.Sorted(maps.Keys(spec.Volumes)) {
		wanted := spec.Volumes[key]
		shared := wanted.Name != ""
		wanted.Name = scoped(spec.Name, key, wanted.Name, wanted.External)
		if err := api.ValidateVolumeName(wanted.Name); err != nil {
			return err
		}
		existing := store.First[api.Volume](a.snapshot, store.ByName, wanted.Name)
		switch {
		case wanted.External && existing == nil && !a.onNode(wanted.Name):
			return api.NotFoundf("volume %s is external, but neither declared nor on any node: `orc volume create %s` declares it", wanted.Name, wanted.Name)
		case wanted.External:
		case existing == nil:
			a.newVolume(a.after.ID, wanted, notThere)
		case existing.App != a.after.ID && !shared:
			return foreign(api.KindVolume, wanted.Name, spec.Name)
		case existing.App != a.after.ID:
			a.warn("volume %s is not of app %s alone: it is shared", wanted.Name, spec.Name)
		case !api.EqualSpec(existing.Spec, wanted):
			after := *existing
			after.Spec = wanted
			a.update(existing, &after)
			a.step(Update, api.KindVolume, wanted.Name, "differs", api.DiffSpec(existing.Spec, wanted)...)
		}
	}
	return nil
}

func (a *appDraft) onNode(volume string) bool {
	for status := range store.All[api.NodeStatus](a.snapshot) {
		if slices.Contains(status.Info.Volumes, volume) {
			return true
		}
	}
	return false
}

// files drafts the app's secrets and configs.
func (a *appDraft) files(spec *api.AppSpec) error {
	for _, of := range []struct {
		kind api.Kind
		all  map[string]api.FileSpec
	}{{api.KindSecret, spec.Secrets}, {api.KindConfig, spec.Configs}} {
		for _, key := range slices.Sorted(maps.Keys(of.all)) {
			wanted := of.all[key]
			wanted.Name = scoped(spec.Name, key, wanted.Name, wanted.External)
			existing := storedFile(a.snapshot, of.kind, wanted.Name)
			switch {
			case wanted.External && existing == nil:
				return api.NotFoundf("%s %s is external, and there is none: `orc %s create %s FILE` makes it", of.kind, wanted.Name, of.kind, wanted.Name)
			case wanted.External:
				continue
			}
			if err := wanted.Validate(string(of.kind), wanted.Name, limitOf(of.kind)); err != nil {
				return err
			}
			switch {
			case existing == nil:
				a.newFile(of.kind, a.after.ID, wanted, notThere)
			case existing.App != a.after.ID:
				return foreign(of.kind, wanted.Name, spec.Name)
			default:
				a.reviseFile(existing, wanted, "differs")
			}
		}
	}
	return nil
}

// prune removes what the app owns, the spec has not, and nobody uses.
func (a *appDraft) prune(spec *api.AppSpec) {
	const reason = "not in the file any more"
	app := a.after.ID
	for network := range store.Find[api.Network](a.snapshot, store.ByApp, app) {
		if !declares(spec.Name, spec.Networks, network.Name, func(s api.NetworkSpec) (string, bool) { return s.Name, s.External }) {
			a.tell(a.RemoveNetwork(network, reason))
		}
	}
	for volume := range store.Find[api.Volume](a.snapshot, store.ByApp, app) {
		if !declares(spec.Name, spec.Volumes, volume.Name, func(s api.VolumeSpec) (string, bool) { return s.Name, s.External }) {
			a.tell(a.RemoveVolume(volume, reason))
		}
	}
	name := func(s api.FileSpec) (string, bool) { return s.Name, s.External }
	for secret := range store.Find[api.Secret](a.snapshot, store.ByApp, app) {
		if !declares(spec.Name, spec.Secrets, secret.Name, name) {
			a.tell(a.RemoveFile(secret, reason))
		}
	}
	for config := range store.Find[api.Config](a.snapshot, store.ByApp, app) {
		if !declares(spec.Name, spec.Configs, config.Name, name) {
			a.tell(a.RemoveFile(config, reason))
		}
	}
}

// tell makes a warning of an object that cannot go because others use it.
func (a *appDraft) tell(err error) {
	if err != nil {
		a.warn("%w", err)
	}
}

func declares[T any](app string, declared map[string]T, name string, of func(T) (string, bool)) bool {
	for key, spec := range declared {
		own, external := of(spec)
		if scoped(app, key, own, external) == name {
			return true
		}
	}
	return false
}

func foreign(kind api.Kind, name, app string) error {
	return api.Conflictf("a %s named %s exists already and is not of app %s: mark it external, or give it another name", kind, name, app)
}

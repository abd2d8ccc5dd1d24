package deploy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// resolve turns the names in a spec into the IDs and versions of what they are
// names of. It changes the spec, but nothing that the spec shares with others.
func (d *Draft) resolve(spec *api.ServiceSpec) error {
	spec.Networks = slices.Clone(spec.Networks)
	for i := range spec.Networks {
		name := spec.Networks[i].Network
		if name == api.IngressID {
			return api.Invalidf("service %s: network %s is the cluster's own: a service is on it by publishing a port", spec.Name, name)
		}
		network := d.network(name)
		if network == nil {
			return missing(spec.Name, "network", name, "", named[api.Network](d.snapshot))
		}
		d.require(network)
		spec.Networks[i].Network = network.ID
	}
	var err error
	if spec.Container.Secrets, err = d.resolveFiles(spec.Name, api.KindSecret, spec.Container.Secrets); err != nil {
		return err
	}
	if spec.Container.Configs, err = d.resolveFiles(spec.Name, api.KindConfig, spec.Container.Configs); err != nil {
		return err
	}
	d.resolveVolumes(spec)
	return nil
}

// resolveVolumes gives mounts the options that their volumes were declared with:
// nodes know no declarations.
func (d *Draft) resolveVolumes(spec *api.ServiceSpec) {
	spec.Container.Mounts = slices.Clone(spec.Container.Mounts)
	for i := range spec.Container.Mounts {
		mount := &spec.Container.Mounts[i]
		if mount.Type != api.MountVolume || len(mount.Options) > 0 {
			continue
		}
		if volume := d.volume(mount.Source); volume != nil && len(volume.Spec.Options) > 0 {
			d.require(volume)
			mount.Options = maps.Clone(volume.Spec.Options)
		}
	}
}

// volume finds a declared volume by name as this draft leaves it.
func (d *Draft) volume(name string) *api.Volume {
	for _, key := range d.order {
		if volume, ok := d.puts[key].after.(*api.Volume); ok && volume.Name == name {
			return volume
		}
	}
	volume := store.First[api.Volume](d.snapshot, store.ByName, name)
	if volume == nil {
		return nil
	}
	if _, here := drafted[*api.Volume](d, volume.ID); here {
		return nil // removed
	}
	return volume
}

func (d *Draft) resolveFiles(service string, kind api.Kind, references []api.FileReference) ([]api.FileReference, error) {
	references = slices.Clone(references)
	for i := range references {
		name := references[i].Source
		f := d.file(kind, name)
		if f == nil {
			names := named[api.Secret](d.snapshot)
			if kind == api.KindConfig {
				names = named[api.Config](d.snapshot)
			}
			return nil, missing(service, string(kind), name, " FILE", names)
		}
		d.require(f.object())
		references[i].Source, references[i].ID, references[i].Version, references[i].Template = f.Name, f.ID, f.Current, f.Spec.Template
	}
	return references, nil
}

// missing is the error of a service that wants what is not there; arguments are those
// that make it, behind its name.
func missing(service, noun, name, arguments string, names []string) error {
	err := api.NoSuch(noun, name, names, fmt.Sprintf("`orc %s create %s%s` makes one", noun, name, arguments))
	err.Message = "service " + service + ": " + err.Message
	return err
}

// named are the names of all objects of a kind, in order.
func named[T any, P interface {
	*T
	api.Object
	api.Named
}](s *store.Snapshot) []string {
	var names []string
	for each := range store.All[T, P](s) {
		if name := P(each).UniqueName(); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// network finds a network by name or ID as this draft leaves it.
func (d *Draft) network(name string) *api.Network {
	for _, key := range d.order {
		if network, ok := d.puts[key].after.(*api.Network); ok && (network.Name == name || network.ID == name) {
			return network
		}
	}
	network := store.First[api.Network](d.snapshot, store.ByName, name)
	if network == nil {
		network = store.Get[api.Network](d.snapshot, name)
	}
	if network == nil {
		return nil
	}
	if _, here := drafted[*api.Network](d, network.ID); here {
		return nil // removed, or it has another name now
	}
	return network
}

// Readable is a spec as people wrote it: networks by their names.
func Readable(snapshot *store.Snapshot, spec api.ServiceSpec) api.ServiceSpec {
	return (&Draft{snapshot: snapshot}).readable(spec)
}

func (d *Draft) readable(spec api.ServiceSpec) api.ServiceSpec {
	spec.Networks = slices.Clone(spec.Networks)
	for i, attachment := range spec.Networks {
		if network := d.network(attachment.Network); network != nil {
			spec.Networks[i].Network = network.Name
		}
	}
	return spec
}

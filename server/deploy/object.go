package deploy

import (
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// CreateNetwork drafts a network of no app.
func (d *Draft) CreateNetwork(spec api.NetworkSpec) (*api.Network, error) {
	if spec.External {
		return nil, api.Invalidf("network %s: external is for Compose files", spec.Name)
	}
	if err := spec.Validate(spec.Name); err != nil {
		return nil, err
	}
	if store.First[api.Network](d.snapshot, store.ByName, spec.Name) != nil {
		return nil, api.Conflictf("a network named %s exists already", spec.Name)
	}
	return d.newNetwork("", spec, "new")
}

func (d *Draft) newNetwork(app string, spec api.NetworkSpec, reason string) (*api.Network, error) {
	network := &api.Network{Name: spec.Name, App: app, Spec: spec}
	network.ID = d.newID()
	if err := d.ledger.AddNetwork(network); err != nil {
		return nil, err
	}
	d.create(network)
	d.takeBlocks()
	d.step(Create, api.KindNetwork, network.Name, reason)
	return network, nil
}

// RemoveNetwork drafts the end of a network, which no service may use. Its blocks
// are the leader's to free, once no task has an address of them.
func (d *Draft) RemoveNetwork(network *api.Network, reason string) error {
	if network.ID == api.IngressID {
		return api.Invalidf("network %s is the cluster's own: it cannot be removed", network.Name)
	}
	users := d.users(func(spec *api.ServiceSpec) bool {
		return slices.ContainsFunc(spec.Networks, func(a api.NetworkAttachment) bool { return a.Network == network.ID })
	})
	if len(users) > 0 {
		return inUse(api.KindNetwork, network.Name, users)
	}
	d.alone(network)
	d.remove(network)
	d.step(Remove, api.KindNetwork, network.Name, reason)
	return nil
}

// PruneNetworks drafts the end of all networks that no service uses, those of apps
// apart: an app's next deployment would make them again.
func (d *Draft) PruneNetworks(reason string) ([]*api.Network, error) {
	used := map[string]bool{api.IngressID: true}
	d.users(func(spec *api.ServiceSpec) bool {
		for _, attachment := range spec.Networks {
			used[attachment.Network] = true
		}
		return false
	})
	removed := []*api.Network{}
	for network := range store.All[api.Network](d.snapshot) {
		if network.App != "" || used[network.ID] {
			continue
		}
		if err := d.RemoveNetwork(network, reason); err != nil {
			return nil, err
		}
		removed = append(removed, network)
	}
	slices.SortFunc(removed, func(a, b *api.Network) int { return strings.Compare(a.Name, b.Name) })
	return removed, nil
}

// CreateVolume drafts the declaration of a volume of no app.
func (d *Draft) CreateVolume(spec api.VolumeSpec) (*api.Volume, error) {
	if spec.External {
		return nil, api.Invalidf("volume %s: external is for Compose files", spec.Name)
	}
	if err := api.ValidateVolumeName(spec.Name); err != nil {
		return nil, err
	}
	if store.First[api.Volume](d.snapshot, store.ByName, spec.Name) != nil {
		return nil, api.Conflictf("a volume named %s exists already", spec.Name)
	}
	return d.newVolume("", spec, "new"), nil
}

func (d *Draft) newVolume(app string, spec api.VolumeSpec, reason string) *api.Volume {
	volume := &api.Volume{Name: spec.Name, App: app, Spec: spec}
	volume.ID = d.newID()
	d.create(volume)
	d.step(Create, api.KindVolume, volume.Name, reason)
	return volume
}

// RemoveVolume drafts the end of a volume's declaration, which no service may
// use. The data on the nodes stays.
func (d *Draft) RemoveVolume(volume *api.Volume, reason string) error {
	users := d.users(func(spec *api.ServiceSpec) bool {
		return slices.ContainsFunc(spec.Container.Mounts, func(m api.Mount) bool {
			return m.Type == api.MountVolume && m.Source == volume.Name
		})
	})
	if len(users) > 0 {
		return inUse(api.KindVolume, volume.Name, users)
	}
	d.remove(volume)
	d.step(Remove, api.KindVolume, volume.Name, reason)
	return nil
}

// VolumeUsers are the names of the services that mount each volume, sorted.
func VolumeUsers(snapshot *store.Snapshot) map[string][]string {
	return usersOf(snapshot, func(spec *api.ServiceSpec) (volumes []string) {
		for _, mount := range spec.Container.Mounts {
			if mount.Type == api.MountVolume && mount.Source != "" {
				volumes = append(volumes, mount.Source)
			}
		}
		return volumes
	})
}

// ImageUsers are the names of the services that run each image, by digest, sorted.
func ImageUsers(snapshot *store.Snapshot) map[string][]string {
	return usersOf(snapshot, func(spec *api.ServiceSpec) []string { return []string{spec.Container.Digest} })
}

func usersOf(snapshot *store.Snapshot, uses func(*api.ServiceSpec) []string) map[string][]string {
	users := make(map[string][]string)
	for service := range store.All[api.Service](snapshot) {
		spec := CurrentSpec(snapshot, service)
		if spec == nil {
			continue
		}
		for _, used := range uses(spec) {
			if !slices.Contains(users[used], service.Name) {
				users[used] = append(users[used], service.Name)
			}
		}
	}
	for _, names := range users {
		slices.Sort(names)
	}
	return users
}

// RemoveFile drafts the end of a secret or config, which no service may use.
func (d *Draft) RemoveFile(object api.Object, reason string) error {
	f := fileOf(object)
	users := d.users(func(spec *api.ServiceSpec) bool {
		return slices.ContainsFunc(references(spec, f.kind), func(r api.FileReference) bool { return r.ID == f.ID })
	})
	if len(users) > 0 {
		return inUse(f.kind, f.Name, users)
	}
	d.removeFile(f, reason)
	return nil
}

// users are the names of the services that do what is asked, as this draft leaves
// them.
func (d *Draft) users(does func(*api.ServiceSpec) bool) []string {
	var names []string
	for service := range store.All[api.Service](d.snapshot) {
		spec, ours := d.services[service.ID]
		if !ours {
			spec = CurrentSpec(d.snapshot, service)
		}
		if spec != nil && does(spec) {
			names = append(names, service.Name)
		}
	}
	for _, key := range d.order {
		p := d.puts[key]
		if service, ok := p.after.(*api.Service); ok && p.before == nil && does(d.services[service.ID]) {
			names = append(names, service.Name)
		}
	}
	slices.Sort(names)
	return names
}

func inUse(kind api.Kind, name string, users []string) error {
	return api.Conflictf("%s %s is in use by %s: remove or change that first", kind, name, strings.Join(users, ", "))
}

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
	err := d.unused(api.KindNetwork, network.Name, func(spec *api.ServiceSpec) bool {
		return slices.ContainsFunc(spec.Networks, func(a api.NetworkAttachment) bool { return a.Network == network.ID })
	})
	if err != nil {
		return err
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
	for _, user := range d.users() {
		for _, attachment := range user.spec.Networks {
			used[attachment.Network] = true
		}
	}
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
	err := d.unused(api.KindVolume, volume.Name, func(spec *api.ServiceSpec) bool {
		return slices.ContainsFunc(spec.Container.Mounts, func(m api.Mount) bool {
			return m.Type == api.MountVolume && m.Source == volume.Name
		})
	})
	if err != nil {
		return err
	}
	d.remove(volume)
	d.step(Remove, api.KindVolume, volume.Name, reason)
	return nil
}

// RemoveFile drafts the end of a secret or config, which no service may use.
func (d *Draft) RemoveFile(object api.Object, reason string) error {
	f := fileOf(object)
	err := d.unused(f.kind, f.Name, func(spec *api.ServiceSpec) bool {
		return slices.ContainsFunc(references(spec, f.kind), func(r api.FileReference) bool { return r.ID == f.ID })
	})
	if err != nil {
		return err
	}
	d.removeFile(f, reason)
	return nil
}

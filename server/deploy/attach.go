package deploy

import (
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/network"
	"github.com/orc-project/orc/store"
)

// Who removes or renews what services refer to first looks at who does. A service
// that begins to refer to it at the same time must not go unseen, and that it reads
// it is nothing that the other could compare. So it also writes something small, and
// the other compares that:
//
//	network         its block of no node, see server/network
//	volume          the volume
//	secret, config  a mark: an object without a name and a content, as its version 0

// attach drafts that for what services refer to from now on. What this draft writes
// anyway needs nothing more: the other compares that too. It refuses what is gone,
// which an old revision may refer to.
func (d *Draft) attach(wishes []network.Wish) error {
	for _, wish := range wishes {
		if wish.Spec == nil {
			continue
		}
		before := &api.ServiceSpec{}
		if service := store.Get[api.Service](d.snapshot, wish.Service.ID); service != nil {
			if current := CurrentSpec(d.snapshot, service); current != nil {
				before = current
			}
		}
		if err := d.attachNetworks(wish, before); err != nil {
			return err
		}
		for _, kind := range []api.Kind{api.KindSecret, api.KindConfig} {
			if err := d.attachFiles(wish, before, kind); err != nil {
				return err
			}
		}
		d.attachVolumes(wish, before)
	}
	return nil
}

func (d *Draft) attachNetworks(wish network.Wish, before *api.ServiceSpec) error {
	for _, to := range wish.Spec.Networks {
		if to.Network == api.IngressID || slices.ContainsFunc(before.Networks, func(a api.NetworkAttachment) bool { return a.Network == to.Network }) {
			continue
		}
		if d.writes(api.KindNetwork, to.Network) {
			continue
		}
		stored := store.Get[api.Network](d.snapshot, to.Network)
		if stored == nil {
			return gone(wish.Service, api.KindNetwork, api.ShortID(to.Network))
		}
		d.require(stored)
		d.ledger.Attach(stored.ID)
	}
	return nil
}

func (d *Draft) attachFiles(wish network.Wish, before *api.ServiceSpec, kind api.Kind) error {
	for _, to := range references(wish.Spec, kind) {
		if slices.ContainsFunc(references(before, kind), func(r api.FileReference) bool { return r.ID == to.ID && r.Version == to.Version }) {
			continue
		}
		if d.writes(kind, to.ID) {
			continue
		}
		stored := storedFile(d.snapshot, kind, to.ID)
		if stored == nil {
			return gone(wish.Service, kind, to.Source)
		}
		d.require(stored.object())
		if id := markID(stored); !d.writes(kind, id) {
			was, mark := d.mark(kind, id), &file{&api.Secret{}, kind}
			if mark.ID = id; was.Version == 0 {
				d.create(mark.object())
			} else {
				d.update(was.object(), mark.object())
			}
		}
	}
	return nil
}

func (d *Draft) attachVolumes(wish network.Wish, before *api.ServiceSpec) {
	for _, to := range wish.Spec.Container.Mounts {
		mounts := func(m api.Mount) bool { return m.Type == api.MountVolume && m.Source == to.Source }
		if to.Type != api.MountVolume || slices.ContainsFunc(before.Container.Mounts, mounts) {
			continue
		}
		if stored := store.First[api.Volume](d.snapshot, store.ByName, to.Source); stored != nil && !d.writes(api.KindVolume, stored.ID) {
			copied := *stored
			d.put(stored, &copied)
		}
	}
}

func (d *Draft) writes(kind api.Kind, id string) bool {
	_, written := d.puts[objectKey{kind, id}]
	return written
}

// alone lets the commit fail when a service begins to use the network meanwhile.
func (d *Draft) alone(network *api.Network) {
	id := api.BlockID(network.ID, "")
	block := store.Get[api.Block](d.snapshot, id)
	if block == nil {
		block = &api.Block{}
		block.ID = id
	}
	d.require(block)
}

func markID(f *file) string { return api.RevisionID(f.ID, 0) }

// mark is a file's, or one that does not exist yet, with version 0.
func (d *Draft) mark(kind api.Kind, id string) *file {
	var found *file
	if kind == api.KindSecret {
		found = fileOf(store.Get[api.Secret](d.snapshot, id))
	} else {
		found = fileOf(store.Get[api.Config](d.snapshot, id))
	}
	if found == nil {
		found = &file{&api.Secret{}, kind}
		found.ID = id
	}
	return found
}

func gone(service *api.Service, kind api.Kind, name string) error {
	return api.Conflictf("service %s: its revision %d uses a %s that was removed (%s): give the service another spec with `orc service update %s`",
		service.Name, service.Current, kind, name, service.Name)
}

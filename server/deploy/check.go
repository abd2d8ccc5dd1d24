package deploy

import (
	"maps"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/network"
	"github.com/orc-project/orc/store"
)

// finish checks what only the whole draft shows, and gives the services what they
// are to be reached at. It may be called again when the draft has gone on.
func (d *Draft) finish() error { return d.connect() }

// connect drafts the services' endpoints.
func (d *Draft) connect() error {
	wishes := d.wishes()
	if err := d.attach(wishes); err != nil {
		return err
	}
	if err := d.ledger.Ready(wishes); err != nil {
		return err
	}
	if err := d.ledger.Fit(wishes); err != nil {
		return err
	}
	endpoints, err := d.ledger.Endpoints(wishes)
	if err != nil {
		return err
	}
	for i, wish := range wishes {
		before, after := store.Get[api.Endpoint](d.snapshot, wish.Service.ID), endpoints[i]
		switch {
		case after == nil && before == nil:
			d.drop(api.KindEndpoint, wish.Service.ID)
		case after == nil:
			d.remove(before)
		case before == nil:
			d.create(after)
		case !api.EqualSpec(before.Virtual, after.Virtual) || !api.EqualSpec(before.Ports, after.Ports) || len(before.Lacks) > 0:
			d.update(before, after)
		}
	}
	d.takeBlocks()
	return nil
}

// takeBlocks drafts what the ledger has taken from.
func (d *Draft) takeBlocks() {
	for _, change := range d.ledger.Blocks() {
		d.Put(change.Before, change.After)
	}
}

// wishes are the services that this draft changes, in the order of their names.
func (d *Draft) wishes() []network.Wish {
	wishes := make([]network.Wish, 0, len(d.services))
	for _, id := range slices.Sorted(maps.Keys(d.services)) {
		service, ours := drafted[*api.Service](d, id)
		if !ours || service == nil {
			service = store.Get[api.Service](d.snapshot, id)
		}
		if service != nil {
			wishes = append(wishes, network.Wish{Service: service, Spec: d.services[id]})
		}
	}
	slices.SortStableFunc(wishes, func(a, b network.Wish) int { return strings.Compare(a.Service.Name, b.Service.Name) })
	return wishes
}

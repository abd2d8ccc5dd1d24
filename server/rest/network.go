package rest

import (
	"net/http"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/server/network"
)

var networkRoutes = []Route{
	{Method: "GET", Path: "/v1/networks", Access: Users, Does: "the networks", handler: listing[api.Network](nil)},
	{Method: "POST", Path: "/v1/networks", Access: Users, Does: "create a network", handler: creating(func(d *deploy.Draft, spec api.NetworkSpec) (api.Object, error) {
		return d.CreateNetwork(spec)
	})},
	{Method: "POST", Path: "/v1/networks/prune", Access: Users, Does: "remove the networks that no service uses and no app owns", handler: (*API).pruneNetworks},
	{Method: "GET", Path: "/v1/networks/{ref}", Access: Users, Does: "one network, with the services, containers and nodes on it", handler: (*API).network},
	{Method: "DELETE", Path: "/v1/networks/{ref}", Access: Users, Does: "remove a network that no service uses", handler: removing("network", func(d *deploy.Draft, network *api.Network) error {
		return d.RemoveNetwork(network, asAsked)
	})},
}

func (a *API) network(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	found, err := find[api.Network](snapshot, "network", r.PathValue("ref"))
	if err != nil {
		return err
	}
	return reply(w, network.View(snapshot, found))
}

// pruneNetworks answers with the networks that are gone, or would be.
func (a *API) pruneNetworks(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.NetworkPrune](r)
	if err != nil {
		return err
	}
	removed := []*api.Network{}
	decide := func(d *deploy.Draft) (err error) {
		removed, err = d.PruneNetworks("pruned")
		return err
	}
	if request.DryRun {
		err = rehearse(a.store.Snapshot(), decide)
	} else {
		_, _, err = a.commit(r, decide)
	}
	if err != nil {
		return err
	}
	return reply(w, removed)
}

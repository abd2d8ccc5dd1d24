package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
)

func (a *API) createClient(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.ClientRequest](r)
	if err != nil {
		return err
	}
	if err := api.ValidateName("client", request.Name); err != nil {
		return err
	}
	snapshot := a.store.Snapshot()
	cluster, err := clusterOf(snapshot)
	if err != nil {
		return err
	}
	authority, err := ca.Load(cluster)
	if err != nil {
		return err
	}
	certificate, key, err := authority.IssueClient(request.Name, time.Now())
	if err != nil {
		return err
	}
	// This manager first: it is the one that the user knows to be reachable.
	addresses := slices.DeleteFunc(session.Managers(snapshot), func(address string) bool { return address == a.address(snapshot) })
	return reply(w, api.ClientBundle{
		Name: request.Name, Cluster: cluster.Identity, ClusterName: cluster.Name, Certificate: certificate, Key: key,
		Roots: authority.Roots(), Addresses: slices.Concat([]string{a.address(snapshot)}, addresses),
	})
}

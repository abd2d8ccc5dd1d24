package rest

import (
	"net/http"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/rotation"
	"github.com/orc-project/orc/store"
)

var caRoutes = []Route{
	{Method: "GET", Path: "/v1/ca/status", Access: Users, Does: "the CA's roots, and how far a rotation is: its phase, and the nodes that it waits for", handler: (*API).caStatus},
	{Method: "POST", Path: "/v1/ca/rotate", Access: Users, Does: "replace the CA's root by a new one, or by one's own; GET /v1/ca/status tells how far it is", handler: (*API).rotateCA},
}

func (a *API) caStatus(w http.ResponseWriter, _ *http.Request) error {
	return a.replyCA(w, a.store.Snapshot())
}

func (a *API) replyCA(w http.ResponseWriter, s *store.Snapshot) error {
	cluster, err := clusterOf(s)
	if err != nil {
		return err
	}
	view, err := rotation.View(s, cluster, func(node *api.Node) bool {
		state := a.managers.State(node, "")
		return state == api.ManagerUnreachable || state == api.ManagerJoining
	})
	if err != nil {
		return err
	}
	return reply(w, view)
}

func (a *API) rotateCA(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.RotateCA](r)
	if err != nil {
		return err
	}
	cluster, err := clusterOf(a.store.Snapshot())
	if err != nil {
		return err
	}
	next, err := nextCA(cluster.Identity, request, time.Now())
	if err != nil {
		return err
	}
	snapshot, err := a.changeCluster(r, func(cluster *api.Cluster) error { return ca.Rotate(cluster, next) })
	if err != nil {
		return err
	}
	return a.replyCA(w, snapshot)
}

// nextCA is the operator's own, or a new one.
func nextCA(cluster string, request api.RotateCA, now time.Time) (*ca.Authority, error) {
	switch {
	case len(request.Certificate) == 0 && len(request.Key) == 0:
		return ca.New(cluster, now)
	case len(request.Certificate) == 0 || len(request.Key) == 0:
		return nil, api.Invalidf("a CA of one's own takes both its certificate and its key")
	}
	return ca.Own(cluster, request.Certificate, request.Key, now)
}

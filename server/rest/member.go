package rest

import (
	"net"
	"net/http"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
)

// enter gives a manager the cluster's keys: only one that the database and its
// certificate both call a manager gets here.
func (a *API) enter(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.MemberRequest](r)
	if err != nil {
		return err
	}
	for _, address := range []string{request.Peer, request.API} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return api.Invalidf("a manager must tell where it is reached: %q is no address", address)
		}
	}
	peer, _ := ca.PeerFrom(r.Context())
	answer, err := a.managers.Enter(r.Context(), peer.ID, request)
	if err != nil {
		return err
	}
	return reply(w, answer)
}

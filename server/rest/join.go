package rest

import (
	"cmp"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

func (a *API) roots(w http.ResponseWriter, _ *http.Request) error {
	cluster, err := clusterOf(a.store.Snapshot())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(cluster.Roots) // the client may be gone
	return nil
}

func (a *API) join(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.JoinRequest](r)
	if err != nil {
		return err
	}
	var answer api.JoinAnswer
	node := &api.Node{}
	_, snapshot, err := a.commit(r, func(d *deploy.Draft) error {
		cluster, err := clusterOf(d.Snapshot())
		if err != nil {
			return err
		}
		if node = joined(d, request); node == nil {
			if node, err = addJoiner(d, cluster, request); err != nil {
				return err
			}
		}
		authority, err := ca.Load(cluster)
		if err != nil {
			return err
		}
		certificate, err := authority.Of(node.Term).SignNode(request.Request, node.ID, node.Role, cluster.Settings.CertLifetime.Std(), d.Now())
		if err != nil {
			return api.Invalidf("the certificate request: %w", err)
		}
		answer = api.JoinAnswer{Cluster: cluster.Identity, Certificate: certificate, Roots: authority.Roots()}
		return nil
	})
	if err != nil {
		return err
	}
	answer.Node = *cmp.Or(store.Get[api.Node](snapshot, node.ID), node)
	answer.Managers = session.Managers(snapshot)
	return reply(w, answer)
}

// askAgain is for how long a host that has not got the answer may ask again: by two
// managers' clocks, which may be a day off each.
const askAgain = 72 * time.Hour

// joined is the node that this request has made already, and that has not got the answer
// yet: it has not been heard of. Nil if there is none. No use of a token is taken then:
// only who has the key can do anything with the answer.
func joined(d *deploy.Draft, request api.JoinRequest) *api.Node {
	id, err := ca.NodeID(request.Request)
	if err != nil {
		return nil // who has a token is told
	}
	node := store.Get[api.Node](d.Snapshot(), id)
	if node == nil || node.Role != request.Role || node.Name != request.Name {
		return nil
	}
	if d.Now().Sub(node.Created) > askAgain || node.Member != 0 || store.Get[api.NodeStatus](d.Snapshot(), id) != nil {
		return nil
	}
	return node
}

// mostAwaited is how many workers may have joined and never come: who has a token and no
// hosts must not fill the cluster with their names. A host comes a moment after it has joined,
// and tries again when it is refused, so that any number can join together. Managers, whose
// token is the key to everything, are not kept out.
const mostAwaited = 1000

// awaited counts the workers that have joined and were never heard of.
func awaited(snapshot *store.Snapshot) (count int) {
	for node := range store.All[api.Node](snapshot) {
		if node.Role == api.RoleWorker && store.Get[api.NodeStatus](snapshot, node.ID) == nil {
			count++
		}
	}
	return count
}

// addJoiner drafts a new node and the use of the token that lets it in.
func addJoiner(d *deploy.Draft, cluster *api.Cluster, request api.JoinRequest) (*api.Node, error) {
	after := *cluster
	role, err := ca.UseToken(&after, request.Secret, d.Now())
	if err != nil {
		return nil, err
	}
	if role != request.Role {
		return nil, api.Errorf(api.CodeUnauthorized, "this is the token of a %s, and a %s is to join: use the one that `orc token %s` prints", role, request.Role, request.Role)
	}
	if role == api.RoleWorker && awaited(d.Snapshot()) >= mostAwaited {
		return nil, api.Errorf(api.CodeUnavailable, "%d workers have joined and were never seen: start orc there, or take those that nobody knows away with `orc node rm`; until then no other can join",
			mostAwaited)
	}
	node := &api.Node{Name: request.Name, Role: role, Labels: request.Labels, Runs: request.Runs, API: request.API}
	if node.ID, err = ca.NodeID(request.Request); err != nil {
		return nil, api.Invalidf("the certificate request: %w", err)
	}
	if store.Get[api.Node](d.Snapshot(), node.ID) != nil {
		return nil, api.Conflictf("this key is a node's already: join with a new one, which an empty data directory gets")
	}
	if err := checkJoiner(node); err != nil {
		return nil, err
	}
	return node, d.AddNode(node, cluster, &after)
}

// checkJoiner refuses what the role does not go with.
func checkJoiner(node *api.Node) error {
	if node.Role == api.RoleWorker {
		node.API = ""
		if !node.Runs {
			return api.Invalidf("a worker runs containers: join with a manager's token, or without --no-agent")
		}
		return nil
	}
	_, port, err := net.SplitHostPort(node.API)
	if err != nil {
		return api.Invalidf("a manager must tell where it is reached (--advertise HOST:PORT): %q is no address", node.API)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return api.Invalidf("a manager must tell where it is reached (--advertise HOST:PORT): %q is no port", port)
	}
	return nil
}

func (a *API) renew(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.RenewRequest](r)
	if err != nil {
		return err
	}
	sure, err := truth(r, "sure")
	if err != nil {
		return err
	}
	peer, _ := ca.PeerFrom(r.Context())
	// What the node is may have changed a moment ago. Without most managers this one cannot
	// tell, and the node's certificate must not end meanwhile. A node that asks what it is
	// wants to be sure: another manager may know.
	snapshot, unsure := a.newest(r)
	if unsure != nil && sure {
		return unsure
	}
	if unsure != nil {
		snapshot = a.store.Snapshot()
	}
	node := store.Get[api.Node](snapshot, peer.ID)
	switch {
	case node == nil && unsure != nil:
		return unsure
	case node == nil:
		return session.Removed()
	}
	cluster, err := clusterOf(snapshot)
	if err != nil {
		return err
	}
	authority, err := ca.Load(cluster)
	if err != nil {
		return err
	}
	certificate, err := authority.Of(node.Term).SignNode(request.Request, node.ID, node.Role, cluster.Settings.CertLifetime.Std(), time.Now())
	if err != nil {
		return api.Invalidf("the certificate request: %w", err)
	}
	return reply(w, api.RenewAnswer{Certificate: certificate, Roots: authority.Roots()})
}

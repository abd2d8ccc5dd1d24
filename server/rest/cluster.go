package rest

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/version"
)

var clusterRoutes = []Route{
	{Method: "GET", Path: "/v1/version", Access: Anybody, Does: "which orc the manager is", handler: (*API).version},
	{Method: "GET", Path: "/v1/cluster", Access: Users, Does: "the cluster: name, identity, CA, settings, managers, leader", handler: (*API).cluster},
	{Method: "PUT", Path: "/v1/cluster/settings", Access: Users, Does: "replace the cluster's settings", handler: (*API).updateSettings},
	{Method: "GET", Path: "/v1/tokens/{role}", Access: Users, Does: "the join token of a role (manager, worker) and the command to join with", handler: (*API).token},
	{Method: "POST", Path: "/v1/tokens/{role}/rotate", Access: Users, Does: "a new join token for a role; the old one is void", handler: (*API).rotateToken},
	{Method: "POST", Path: "/v1/clients", Access: Users, Does: "a certificate with its key for a user elsewhere", handler: (*API).createClient},
	{Method: "GET", Path: "/v1/ca", Access: Anybody, Does: "the CA certificates (PEM, as text); check them against a join token", handler: (*API).roots},
	{Method: "POST", Path: "/v1/join", Access: Anybody, Does: "become a node, by a join token's secret", handler: (*API).join},
	{Method: "POST", Path: "/v1/renew", Access: Nodes, Does: "a node's next certificate", handler: (*API).renew},
}

func (a *API) version(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, api.VersionInfo{Version: version.Version, Commit: version.Commit, Parts: version.Parts()})
}

// clusterOf returns the cluster's object.
func clusterOf(s *store.Snapshot) (*api.Cluster, error) {
	cluster := store.Get[api.Cluster](s, api.ClusterID)
	if cluster == nil {
		return nil, api.Errorf(api.CodeUnavailable, "the cluster is not set up yet: try again")
	}
	return cluster, nil
}

func (a *API) cluster(w http.ResponseWriter, r *http.Request) error {
	return a.replyCluster(w, r, a.store.Snapshot())
}

func (a *API) replyCluster(w http.ResponseWriter, r *http.Request, s *store.Snapshot) error {
	cluster, err := clusterOf(s)
	if err != nil {
		return err
	}
	managers := session.Managers(s)
	if managers == nil {
		managers = []string{}
	}
	return reply(w, api.ClusterView{
		Meta: cluster.Meta, Name: cluster.Name, Identity: cluster.Identity, Roots: cluster.Roots, Settings: cluster.Settings,
		Managers: managers, Leader: a.leader(r.Context()),
	})
}

// leaderTimeout is how long an answer waits to tell who leads.
const leaderTimeout = 2 * time.Second

// leader is the ID of the node that leads, or "" when that cannot be told.
func (a *API) leader(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	leader, err := a.store.Leader(ctx)
	if err != nil {
		return ""
	}
	return leader
}

func (a *API) updateSettings(w http.ResponseWriter, r *http.Request) error {
	settings, err := decode[api.Settings](r)
	if err != nil {
		return err
	}
	if err := validateSettings(&settings); err != nil {
		return err
	}
	_, snapshot, err := a.commit(r, func(d *deploy.Draft) error {
		cluster, err := clusterOf(d.Snapshot())
		if err != nil || api.EqualSpec(cluster.Settings, settings) {
			return err
		}
		after := *cluster
		after.Settings = settings
		d.Put(cluster, &after)
		return nil
	})
	if err != nil {
		return err
	}
	return a.replyCluster(w, r, snapshot)
}

func validateSettings(s *api.Settings) error {
	switch {
	case s.CertLifetime != 0 && s.CertLifetime.Std() < api.MinCertLifetime:
		return api.Invalidf("certificate lifetime %s: the least is %s", s.CertLifetime, api.MinCertLifetime)
	case s.NodeTimeout != 0 && s.NodeTimeout.Std() < time.Second:
		return api.Invalidf("node timeout %s: the least is 1s", s.NodeTimeout)
	}
	return nil
}

func roleOf(r *http.Request) (api.Role, error) {
	switch role := api.Role(r.PathValue("role")); role {
	case api.RoleManager, api.RoleWorker:
		return role, nil
	default:
		return "", api.Invalidf("role %q: use manager or worker", role)
	}
}

func (a *API) token(w http.ResponseWriter, r *http.Request) error {
	role, err := roleOf(r)
	if err != nil {
		return err
	}
	return a.replyToken(w, a.store.Snapshot(), role)
}

func (a *API) replyToken(w http.ResponseWriter, s *store.Snapshot, role api.Role) error {
	cluster, err := clusterOf(s)
	if err != nil {
		return err
	}
	token, err := ca.TokenFor(cluster, role)
	if err != nil {
		return err
	}
	program := "agent"
	if role == api.RoleManager {
		program = "server"
	}
	return reply(w, api.JoinToken{
		Role: role, Token: token.String(), Command: fmt.Sprintf("orc %s --join %s --token %s", program, a.address(s), token),
	})
}

// address is where this manager is reached, or another one.
func (a *API) address(s *store.Snapshot) string {
	if node := store.Get[api.Node](s, a.node); node != nil && node.API != "" {
		return node.API
	}
	if managers := session.Managers(s); len(managers) > 0 {
		return managers[0]
	}
	return "MANAGER:6720"
}

func (a *API) rotateToken(w http.ResponseWriter, r *http.Request) error {
	role, err := roleOf(r)
	if err != nil {
		return err
	}
	_, snapshot, err := a.commit(r, func(d *deploy.Draft) error {
		cluster, err := clusterOf(d.Snapshot())
		if err != nil {
			return err
		}
		after := *cluster
		ca.NewTokens(&after, role)
		d.Put(cluster, &after)
		return nil
	})
	if err != nil {
		return err
	}
	return a.replyToken(w, snapshot, role)
}

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
		role, err := ca.CheckToken(cluster, request.Secret)
		if err != nil {
			return err
		}
		if role != request.Role {
			return api.Errorf(api.CodeUnauthorized, "this is the token of a %s, and a %s is to join: use the one that `orc token %s` prints", role, request.Role, request.Role)
		}
		node = &api.Node{Name: request.Name, Role: role, Labels: request.Labels, Runs: request.Runs, API: request.API}
		if err := checkJoiner(node); err != nil {
			return err
		}
		if err := d.AddNode(node, cluster); err != nil {
			return err
		}
		authority, err := ca.Load(cluster)
		if err != nil {
			return err
		}
		certificate, err := authority.SignNode(request.Request, node.ID, role, cluster.Settings.CertLifetime.Std(), d.Now())
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
	peer, _ := ca.PeerFrom(r.Context())
	snapshot := a.store.Snapshot()
	node := store.Get[api.Node](snapshot, peer.ID)
	if node == nil {
		if snapshot, err = deploy.Newest(r.Context(), a.store); err != nil {
			return err
		}
		if node = store.Get[api.Node](snapshot, peer.ID); node == nil {
			return session.Removed()
		}
	}
	cluster, err := clusterOf(snapshot)
	if err != nil {
		return err
	}
	authority, err := ca.Load(cluster)
	if err != nil {
		return err
	}
	certificate, err := authority.SignNode(request.Request, node.ID, node.Role, cluster.Settings.CertLifetime.Std(), time.Now())
	if err != nil {
		return api.Invalidf("the certificate request: %w", err)
	}
	return reply(w, api.RenewAnswer{Certificate: certificate, Roots: authority.Roots()})
}

package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/version"
)

var clusterRoutes = []Route{
	{Method: "GET", Path: "/v1/version", Access: Anybody, Does: "which orc the manager is", handler: (*API).version},
	{Method: "GET", Path: "/v1/cluster", Access: Users, Does: "the cluster: name, identity, CA, settings, managers, leader", handler: (*API).cluster},
	{Method: "PUT", Path: "/v1/cluster/settings", Access: Users, Does: "replace the cluster's settings", handler: (*API).updateSettings},
	{Method: "POST", Path: "/v1/clients", Access: Users, Does: "a certificate with its key for a user elsewhere", handler: (*API).createClient},
	{Method: "GET", Path: "/v1/ca", Access: Anybody, Does: "the CA certificates (PEM, as text); check them against a join token", handler: (*API).roots},
	{Method: "POST", Path: "/v1/join", Access: Anybody, Does: "become a node, by a join token's secret", handler: (*API).join},
	{Method: "POST", Path: "/v1/renew", Access: Nodes, Does: "a node's next certificate, for the role it has now (sure=1: unless that cannot be told)", handler: (*API).renew},
	{Method: "POST", Path: "/v1/members", Access: OtherManagers, Does: "what a new manager's database starts with", handler: (*API).enter},
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
		Keys: cluster.Keys, Waiting: waiting(s, cluster), Managers: managers, Leader: a.leader(r.Context()),
	})
}

// waiting are the names of the managers that a rotation of keys waits for.
func waiting(s *store.Snapshot, cluster *api.Cluster) []string {
	if cluster.Keys.Phase == api.KeysSettled {
		return nil
	}
	var names []string
	for node := range store.All[api.Node](s) {
		if node.Role == api.RoleManager && node.KeyStep < cluster.Keys.Step {
			names = append(names, node.Name)
		}
	}
	return names
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
		after.Change(settings)
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
	case s.SnapshotInterval != 0 && s.SnapshotInterval.Std() < api.MinSnapshotInterval:
		return api.Invalidf("snapshot interval %s: the least is %s, or 0 for none", s.SnapshotInterval, api.MinSnapshotInterval)
	case s.SnapshotKeep < 0:
		return api.Invalidf("snapshots to keep %d: the least is 1", s.SnapshotKeep)
	}
	return nil
}

package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/seal"
)

// A cluster whose managers are lost but for one, or but for a snapshot, goes on
// with one manager. The others' nodes are removed from the database, so that
// neither their certificates nor their tasks count any more; what their hosts
// still have is of the old cluster: emptied, they can join again.

// alone makes the database say that this node is the only manager. The others' nodes are
// removed last: when this is broken off before, it begins again with them.
func (n *process) alone(ctx context.Context) error {
	if err := n.inherit(ctx); err != nil {
		return fmt.Errorf("take over the nodes of the other managers: %w", err)
	}
	address, _ := n.advertised()
	_, _, err := deploy.Commit(ctx, n.database.store, func(d *deploy.Draft) error {
		cluster := store.Get[api.Cluster](d.Snapshot(), api.ClusterID)
		if cluster == nil {
			return api.Conflictf("the database has no cluster in it")
		}
		after := *cluster
		for node := range store.All[api.Node](d.Snapshot()) {
			if node.Role != api.RoleManager || node.ID == n.identity.ID {
				continue
			}
			n.log.Warn("a manager is not there any more: its node is removed", zap.String("node", node.ID), zap.String("name", node.Name))
			d.Put(node, nil)
			if status := store.Get[api.NodeStatus](d.Snapshot(), node.ID); status != nil {
				d.Put(status, nil)
			}
			after.LeaveBehind(node, time.Now())
		}
		self, own := n.identity.Alone, store.Get[api.Node](d.Snapshot(), n.identity.ID)
		if own != nil && own.Role != api.RoleManager { // it was demoted, and its vote was needed
			again := *own
			again.Role, again.API = api.RoleManager, address
			again.Term++
			after.Unban(own.ID)
			d.Put(own, &again)
		}
		if self == nil || own != nil {
			if !api.EqualSpec(*cluster, after) {
				d.Put(cluster, &after)
			}
			return nil
		}
		return d.AddNode(&api.Node{
			Meta: api.Meta{ID: n.identity.ID}, Name: self.Name, Role: api.RoleManager, Labels: self.Labels,
			API: address, Runs: n.runsContainers(),
		}, cluster, &after)
	})
	if err != nil {
		return fmt.Errorf("make this node the only manager: %w", err)
	}
	return nil
}

// inheritedAtOnce is how many statuses one transaction takes over. Each may have some
// more than 64 KiB (server/session), and all store.MaxBytes.
const inheritedAtOnce = 64

// inherit makes this manager the one that waits for the nodes of the others to
// come back, and writes them off when they don't.
func (n *process) inherit(ctx context.Context) error {
	for taken := inheritedAtOnce; taken == inheritedAtOnce; {
		_, _, err := deploy.Commit(ctx, n.database.store, func(d *deploy.Draft) error {
			taken = 0
			for status := range store.All[api.NodeStatus](d.Snapshot()) {
				if taken == inheritedAtOnce {
					break
				}
				if n.inherits(d.Snapshot(), status) {
					after := *status
					after.Manager = n.identity.ID
					d.Put(status, &after)
					taken++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inherits says whether a node is one of those that waited for a manager that is lost.
func (n *process) inherits(snapshot *store.Snapshot, status *api.NodeStatus) bool {
	holder := store.Get[api.Node](snapshot, status.Manager)
	self := store.Get[api.Node](snapshot, status.ID)
	if status.Manager == n.identity.ID || self == nil || self.Role == api.RoleManager && self.ID != n.identity.ID {
		return false
	}
	return holder == nil || holder.Role == api.RoleManager
}

// probeTimeout is how long a manager has to show that it is alive.
const probeTimeout = 3 * time.Second

// mayForce refuses to leave managers behind that are alive: two clusters would
// command the same nodes. The database is not open yet, so its file tells who the
// managers are.
func (n *process) mayForce(ctx context.Context, ring *seal.Ring) error {
	snapshot, err := etcd.ReadFile(member.File(n.dir.file("db")), ring)
	if err != nil {
		return fmt.Errorf("read who the managers are: %w", err)
	}
	for node := range store.All[api.Node](snapshot) {
		if node.Role == api.RoleManager && node.ID != n.identity.ID && n.answers(ctx, node) {
			return api.Conflictf("--force-new-cluster: the manager %s answers at %s: with most managers alive nothing needs force; else stop orc on it first, and let it join again with an empty data directory", node.Name, node.API)
		}
	}
	return nil
}

// answers says whether the manager proves to be alive.
func (n *process) answers(ctx context.Context, manager *api.Node) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: n.credentials.Client()}
	connection, err := dialer.DialContext(ctx, "tcp", manager.API)
	if err != nil {
		return isShutOut(err)
	}
	connection.Close()
	return true
}

// isShutOut says that somebody is there, but the CA's root that this node trusts, or has
// its certificate of, is not his: it may have been replaced while this node was away.
func isShutOut(err error) bool {
	var untrusted *tls.CertificateVerificationError
	var told *net.OpError
	return errors.As(err, &untrusted) || errors.As(err, &told) && told.Op == "remote error"
}

package node

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/backup"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/seal"
)

// Restored tells what Restore has made.
type Restored struct {
	backup.Header
	Name string // of the cluster
	Node string // name of the manager that it is to be
	// Managers are those of the snapshot's time, Workers how many nodes may return.
	Managers []string
	Workers  int
}

// Restore makes the data directory, which must be nobody's, that of the only
// manager of the cluster that the snapshot is of. Run then resumes with it. The
// cluster keeps its identity, its CA and its tokens: its workers know it again.
// When it fails, the directory is nobody's as before.
func Restore(ctx context.Context, config Config, file, unlockKey string) (*Restored, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	wrap, err := seal.UnlockKey(unlockKey)
	if err != nil {
		return nil, err
	}
	if err := backup.Check(file); err != nil {
		return nil, err
	}
	dir, err := openDirectory(config.DataDir)
	if err != nil {
		return nil, err
	}
	n := &process{config: config, dir: dir, log: zap.NewNop()}
	restored, err := n.restore(ctx, file, wrap)
	return restored, errors.Join(err, n.close(), dir.close())
}

func (n *process) restore(ctx context.Context, file string, wrap seal.Wrap) (*Restored, error) {
	id, err := n.dir.load()
	if err != nil {
		return nil, err
	}
	if id != nil {
		return nil, api.Conflictf("%s holds a node already: a snapshot is restored into an empty --data-dir", n.dir.path)
	}
	if err := n.clear(); err != nil {
		return nil, err
	}
	copied := n.dir.file("restore.db")
	defer os.Remove(copied)
	header, ring, err := extract(file, copied, wrap)
	if err != nil {
		return nil, err
	}
	snapshot, err := etcd.ReadFile(copied, ring)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", file, err)
	}
	restored, err := n.examine(snapshot)
	if err != nil {
		return nil, err
	}
	restored.Header = header
	if err := n.keep(store.Get[api.Cluster](snapshot, api.ClusterID), ring); err != nil {
		return nil, err
	}
	if err := n.succeed(snapshot); err != nil {
		return nil, err
	}
	memberConfig, err := n.memberConfig()
	if err != nil {
		return nil, err
	}
	if err := member.Restore(memberConfig, copied); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return restored, n.dir.save(n.identity)
}

// extract writes the database in the snapshot's file to a file of its own.
func extract(from, to string, wrap seal.Wrap) (header backup.Header, ring *seal.Ring, err error) {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return header, nil, fmt.Errorf("restore: %w", err)
	}
	header, ring, err = backup.Extract(from, wrap, out)
	return header, ring, errors.Join(err, out.Close())
}

// examine tells what is in the snapshot, and refuses what cannot come true.
func (n *process) examine(snapshot *store.Snapshot) (*Restored, error) {
	cluster := store.Get[api.Cluster](snapshot, api.ClusterID)
	if cluster == nil {
		return nil, api.Invalidf("the snapshot has no cluster in it")
	}
	restored := &Restored{Name: cluster.Name, Node: n.config.Name}
	for node := range store.All[api.Node](snapshot) {
		if node.Role == api.RoleManager {
			restored.Managers = append(restored.Managers, node.Name)
			continue
		}
		restored.Workers++
		if node.Name == n.config.Name {
			return nil, api.Conflictf("a worker of the cluster has the name %s: choose another with --name", node.Name)
		}
	}
	return restored, nil
}

// succeed makes this node a manager of the cluster, by the cluster's own CA. The
// database hears of it when it is opened for the first time: see alone.
func (n *process) succeed(snapshot *store.Snapshot) error {
	cluster := store.Get[api.Cluster](snapshot, api.ClusterID)
	authority, err := ca.Load(cluster)
	if err != nil {
		return err
	}
	request, key, err := ca.NewRequest()
	if err != nil {
		return err
	}
	n.identity = &identity{Format: format, ID: api.NewID(), Cluster: cluster.Identity, Role: api.RoleManager, Alone: &newcomer{Name: n.config.Name, Labels: n.config.Labels}}
	certificate, err := authority.SignNode(request, n.identity.ID, api.RoleManager, cluster.Settings.CertLifetime.Std(), now())
	if err != nil {
		return err
	}
	if n.credentials, err = ca.NewCredentials(certificate, key, authority.Roots()); err != nil {
		return err
	}
	return n.dir.saveCredentials(certificate, key, authority.Roots())
}

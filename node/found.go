package node

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/seal"
)

// founding is what the first commit of a new cluster writes.
type founding struct {
	cluster *api.Cluster
	node    *api.Node
}

func now() time.Time { return time.Now() }

// found makes a new cluster with this node as its first manager. It is one when
// the database has it: see openDatabase.
func (n *process) found() error {
	if err := n.clear(); err != nil {
		return err
	}
	cluster := &api.Cluster{
		Meta: api.Meta{ID: api.ClusterID, Created: now().UTC(), Updated: now().UTC()},
		Name: clusterName(), Identity: api.NewID(), LastNumber: 1, Settings: n.config.settings(),
	}
	authority, err := ca.New(cluster.Identity, now())
	if err != nil {
		return err
	}
	cluster.Roots = authority.Roots()
	if cluster.CAKey, err = authority.Key(); err != nil {
		return err
	}
	_, cluster.UnlockKey = seal.NewUnlockKey()
	cluster.Settings.Autolock = n.config.Autolock
	cluster.Settings.SnapshotInterval = api.Duration(api.DefaultSnapshotInterval)
	ring := seal.NewRing()
	ca.RotateTokens(cluster, ring, now(), api.RoleManager, api.RoleWorker)
	node := &api.Node{
		Meta: api.Meta{ID: api.NewID(), Created: now().UTC(), Updated: now().UTC()},
		Name: n.config.Name, Role: api.RoleManager, Availability: api.AvailabilityActive, Labels: n.config.Labels,
		Number: 1, API: n.config.Advertise, Runs: !n.config.NoAgent,
	}
	request, key, err := ca.NewRequest()
	if err != nil {
		return err
	}
	certificate, err := authority.SignNode(request, node.ID, node.Role, cluster.Settings.CertLifetime.Std(), now())
	if err != nil {
		return err
	}
	if n.credentials, err = ca.NewCredentials(certificate, key, authority.Roots()); err != nil {
		return err
	}
	if err := n.keep(cluster, ring); err != nil {
		return err
	}
	if err := n.dir.saveCredentials(certificate, key, authority.Roots()); err != nil {
		return err
	}
	n.new = &founding{cluster: cluster, node: node}
	n.identity = &identity{Format: format, ID: node.ID, Cluster: cluster.Identity, Role: api.RoleManager}
	return nil
}

// clear removes what an attempt that did not come to its end left behind: there
// is no node.json, so it is nobody's.
func (n *process) clear() error {
	for _, name := range []string{"node.pem", "roots.crt", "db", away("db"), "ring", "ring.key", "restore.db"} {
		if err := os.RemoveAll(n.dir.file(name)); err != nil {
			return fmt.Errorf("clear the data directory: %w", err)
		}
	}
	return nil
}

// transaction writes the cluster's first objects.
func (f *founding) transaction() *store.Tx {
	tx := &store.Tx{}
	tx.Create(f.cluster)
	tx.Create(f.node)
	return tx
}

// tell prints how others join.
func (n *process) tell(cluster *api.Cluster) error {
	worker, err := ca.StandingToken(cluster, n.keys, api.RoleWorker)
	if err != nil {
		return err
	}
	join := "To add a worker, run there what `orc token worker` prints"
	if n.config.Private {
		join = fmt.Sprintf("To add a worker, run there:\n\n    orc agent --join %s --token %s\n\n`orc token worker` prints this command again", n.config.Advertise, worker.Token)
	}
	_, err = fmt.Fprintf(n.config.Out, "This host (%s) is the first manager of the cluster %s.\n\n%s, `orc token manager` the one that adds a manager.\n%s\n",
		n.config.Name, cluster.Name, join, n.advice(cluster))
	return err
}

// advice is about the unlock key.
func (n *process) advice(cluster *api.Cluster) string {
	switch {
	case !cluster.Settings.Autolock:
		return "Keep what `orc unlock-key` prints outside of the cluster: its snapshots open with that alone."
	case !n.config.Private:
		return "\nAfter every start this manager waits for `orc unlock` with the key that `orc unlock-key` prints, as long as it is not locked: " +
			"keep that outside of the cluster now."
	}
	return "\nAfter every start this manager waits for `orc unlock` with the key\n\n    " + cluster.UnlockKey + "\n\nKeep it outside of the cluster: snapshots open with it alone, too."
}

var (
	adjectives = []string{"amber", "brave", "calm", "clear", "eager", "fair", "gentle", "keen", "lively", "merry", "noble", "quiet", "rapid", "silver", "steady", "swift"}
	nouns      = []string{"badger", "cedar", "comet", "falcon", "harbor", "heron", "island", "lantern", "maple", "meadow", "orca", "otter", "pine", "river", "summit", "willow"}
)

func clusterName() string {
	return adjectives[rand.IntN(len(adjectives))] + "-" + nouns[rand.IntN(len(nouns))]
}

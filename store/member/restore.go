package member

import (
	"fmt"
	"time"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
)

// Restore makes config.Dir the directory of a member that is alone in its cluster
// and has the database that Backup wrote to the file. It is for a directory that
// is nobody's; when it fails, remove what it made. The members that there were
// cannot join this one's cluster with what they have: it and its member have IDs that
// none had before, wherever it listens.
func Restore(config Config, file string) error {
	if err := config.check(); err != nil {
		return err
	}
	lock, err := claim(config.Dir, config.Cluster, config.Name)
	if err != nil {
		return err
	}
	defer lock.Close()
	address := peerURL(config.Advertise)
	err = snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: file, SkipHashCheck: true, // the caller has checked it, with more than a hash
		Name: config.Name, OutputDataDir: dataDir(config.Dir),
		PeerURLs:       []string{address.String()},
		InitialCluster: config.Name + "=" + address.String(),
		// The IDs are hashes of the address and this, which nothing reads later.
		InitialClusterToken: config.Cluster + "/" + api.NewID(),
	})
	if err != nil {
		return fmt.Errorf("restore the database: %w", err)
	}
	if err := leap(File(config.Dir), time.Now()); err != nil {
		return err
	}
	return syncTree(config.Dir)
}

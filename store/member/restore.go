package member

import (
	"fmt"
	"time"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// Restore makes config.Dir the directory of a member that is alone in its cluster
// and has the database that Backup wrote to the file. It is for a directory that
// is nobody's; when it fails, remove what it made. The members that there were
// cannot join this one's cluster with what they have.
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
		InitialCluster: config.Name + "=" + address.String(), InitialClusterToken: config.Cluster,
	})
	if err != nil {
		return fmt.Errorf("restore the database: %w", err)
	}
	if err := leap(File(config.Dir), time.Now()); err != nil {
		return err
	}
	return syncTree(config.Dir)
}

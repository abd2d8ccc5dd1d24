package member

import (
	"fmt"
	"time"

	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.uber.org/zap"
)

// minLeap is how far a revision leaps when the clock was put back, or a database is newer
// than it: further than a cluster comes in years.
const minLeap = 1_000_000_000

// leap moves the database in the file, which no member may have open, to a revision
// that none of its clusters has had: who remembers one never takes what it sees now
// for what it saw then. A snapshot may be restored twice, so the revision is the time,
// in microseconds since 1970, which no cluster's comes near by writing. What is older
// than that is no history any more.
//
// A forced member cannot leap so: its log stays, and who joins replays that.
func leap(file string, now time.Time) error {
	b := backend.NewDefaultBackend(zap.NewNop(), file)
	tx := b.BatchTx()
	tx.LockOutsideApply()
	var latest mvcc.Revision
	err := tx.UnsafeForEach(schema.Key, func(key, _ []byte) error {
		if revision := mvcc.BytesToRev(key); revision.GreaterThan(latest) {
			latest = revision
		}
		return nil
	})
	if err == nil {
		// As etcdutl's snapshot restore does it: an entry of no key.
		next := mvcc.Revision{Main: now.UnixMicro()}
		if !next.GreaterThan(latest) {
			next.Main = latest.Main + minLeap
		}
		latest = next
		tx.UnsafePut(schema.Key, mvcc.RevToBytes(latest, mvcc.NewRevBytes()), []byte{})
		mvcc.UnsafeSetScheduledCompact(tx, latest.Main)
	}
	tx.Unlock()
	b.ForceCommit()
	if closed := b.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("move the database to a new revision: %w", err)
	}
	return nil
}

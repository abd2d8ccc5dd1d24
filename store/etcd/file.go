package etcd

import (
	"errors"
	"fmt"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/orc-project/orc/store"
)

// errFile is for a file in which something is not as it must be.
var errFile = errors.New("the database's file is damaged")

// ReadFile reads a copy of the database that no member has open. It fails unless
// every key can be read and every value opens and can be decoded, as in a store: that a snapshot
// can be restored is known when this has read it.
func ReadFile(path string, sealer Sealer) (snapshot *store.Snapshot, err error) {
	// bbolt panics at pages that are damaged, and reads beyond a file that was cut.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if failure := recover(); failure != nil {
			err = fmt.Errorf("%w: %v", errFile, failure)
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFile, err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		r := &reader{Store: &Store{Config: Config{Sealer: sealer, Prefix: DefaultPrefix, Logger: zap.NewNop()}}}
		snapshot, err = r.read(tx.Bucket(schema.Key.Name()))
		return err
	})
	return snapshot, err
}

// read makes a snapshot of the newest revisions of all keys, which lie in the
// bucket in the order of the revisions.
func (r *reader) read(bucket *bolt.Bucket) (*store.Snapshot, error) {
	if bucket == nil {
		return nil, fmt.Errorf("%w: it has no keys", errFile)
	}
	newest, revision := make(map[string]*mvccpb.KeyValue), int64(0)
	if err := bucket.ForEach(func(at, value []byte) error {
		revision = mvcc.BytesToRev(at).Main
		kv := &mvccpb.KeyValue{}
		if err := proto.Unmarshal(value, kv); err != nil {
			return fmt.Errorf("%w: revision %d: %w", errFile, revision, err)
		}
		if mvcc.IsTombstone(at) {
			delete(newest, string(kv.Key))
		} else if len(kv.Key) > 0 { // else it only marks a revision
			newest[string(kv.Key)] = kv
		}
		return nil
	}); err != nil {
		return nil, err
	}
	builder := store.NewBuilder(nil)
	for key, kv := range newest {
		object, err := r.decode(kv)
		if err != nil {
			return nil, err
		}
		if object != nil {
			builder.Put(object)
		} else if _, err := r.Sealer.Open(key, kv.Value); err != nil {
			return nil, err
		}
	}
	return builder.Snapshot(revision), nil
}

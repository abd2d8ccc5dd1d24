package member

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/orc-project/orc/api"
)

// launch starts etcd, which ends the process, or panics, when it finds that its
// files are damaged: that becomes an error here. What it does in goroutines of its
// own cannot be caught, so the database's file is looked at before.
func launch(config *embed.Config, dir string) (etcd *embed.Etcd, err error) {
	if err := inspect(dir); err != nil {
		return nil, hurt(dir, err)
	}
	defer func() {
		if failure := recover(); failure != nil {
			etcd, err = nil, hurt(dir, failure)
		}
	}()
	if config.ForceNewCluster && Exists(dir) {
		err = keepLog(dir, zap.NewNop())
	}
	if err == nil {
		etcd, err = embed.StartEtcd(config)
	}
	for _, damage := range []error{wal.ErrCRCMismatch, walpb.ErrCRCMismatch, wal.ErrFileNotFound, wal.ErrSnapshotMismatch, wal.ErrSnapshotNotFound, wal.ErrSliceOutOfRange} {
		if errors.Is(err, damage) {
			return nil, hurt(dir, err)
		}
	}
	return etcd, err
}

// hurt says what damage means. A manager of several is mended by the others.
func hurt(dir string, how any) error {
	return api.Errorf(api.CodeInternal, "the database in %s is damaged (%v): with other managers, remove this one, empty its data directory and let it join again; else restore a snapshot", dir, how)
}

// fatal is what happens after etcd has logged why it cannot go on: a panic, which
// ends the process unless launch is there to catch it.
type fatal struct{}

// OnWrite implements zapcore.CheckWriteHook.
func (fatal) OnWrite(entry *zapcore.CheckedEntry, _ []zapcore.Field) { panic(entry.Message) }

// inspect reads the names and the structure of the database's file, if there is
// one.
func inspect(dir string) (err error) {
	if _, err := os.Stat(File(dir)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	logs, err := filepath.Glob(filepath.Join(dataDir(dir), "member", "wal", "*.wal"))
	if err != nil {
		return err
	}
	if len(logs) == 0 {
		return errors.New("its log is missing")
	}
	// bbolt panics at pages that are damaged, and reads beyond a file that was cut.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if failure := recover(); failure != nil {
			err = fmt.Errorf("%v", failure)
		}
	}()
	db, err := bolt.Open(File(dir), 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, bucket *bolt.Bucket) error {
			return bucket.ForEach(func(_, _ []byte) error { return nil })
		})
	})
}

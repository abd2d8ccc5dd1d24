package member

import (
	"errors"
	"io"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

// keepLog notes in the log that all of it was agreed on. etcd writes that of an entry
// only with a later one, and a forced member drops what it does not know it of:
// also what was acknowledged just before the others were lost. What most members
// had not agreed on, its writer does not know the fate of.
func keepLog(dir string, log *zap.Logger) error {
	logs := filepath.Join(dataDir(dir), "member", "wal")
	for repaired := false; ; repaired = true {
		err := tryKeepLog(logs, log)
		if err == nil || repaired || !errors.Is(err, io.ErrUnexpectedEOF) || !wal.Repair(log, logs) {
			return err
		}
	}
}

func tryKeepLog(dir string, log *zap.Logger) error {
	snapshots, err := wal.ValidSnapshotEntries(log, dir)
	if err != nil {
		return err
	}
	if len(snapshots) == 0 {
		return nil // it is damaged, which etcd says
	}
	w, err := wal.Open(log, dir, snapshots[len(snapshots)-1])
	if err != nil {
		return err
	}
	_, state, entries, err := w.ReadAll()
	if err == nil && len(entries) > 0 {
		if last := entries[len(entries)-1].GetIndex(); last > state.GetCommit() {
			state.Commit = &last
			err = w.Save(state, nil)
		}
	}
	if closed := w.Close(); err == nil { // which writes it to disk
		err = closed
	}
	return err
}

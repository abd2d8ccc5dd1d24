package network

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/disk"
	"github.com/orc-project/orc/sleep"
)

// load takes up what was kept on disk.
func (f *Fabric) load() {
	err := disk.Load(f.tablesFile(), &f.tables)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.log.Error("what was told of the networks cannot be read: waiting for a manager", zap.Error(err))
		f.tables = tables{}
	}
	entries, err := os.ReadDir(filepath.Join(f.config.Dir, "tasks"))
	if err != nil {
		f.log.Error("tasks' addresses cannot be read", zap.Error(err))
	}
	for _, entry := range entries {
		each := &attachment{}
		if err := disk.Load(f.taskFile(entry.Name()), each); err != nil || each.Task != entry.Name() {
			f.log.Warn("a task's addresses cannot be read", zap.String("file", entry.Name()), zap.Error(err))
			continue
		}
		f.alloc.attachments[each.Task] = each
	}
}

func (f *Fabric) tablesFile() string          { return filepath.Join(f.config.Dir, "tables") }
func (f *Fabric) taskFile(task string) string { return filepath.Join(f.config.Dir, "tasks", task) }

func (f *Fabric) removeFile(task string) {
	if err := os.Remove(f.taskFile(task)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.log.Warn("a task's addresses cannot be forgotten", zap.Error(err))
	}
}

// saveLoop keeps the tables on disk, some time after they change: they are for a
// boot without a manager.
func (f *Fabric) saveLoop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.saving:
		}
		if sleep.For(ctx, time.Second) != nil {
			return ctx.Err()
		}
		f.save()
	}
}

func (f *Fabric) save() {
	f.mu.Lock()
	unsaved, copied := f.unsaved && !f.left, f.tables.clone()
	f.unsaved = false
	f.mu.Unlock()
	if !unsaved {
		return
	}
	if err := disk.Save(f.tablesFile(), copied, false); err != nil {
		f.log.Error("what was told of the networks cannot be written to disk", zap.Error(err))
	}
}

package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/rest"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/backup"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/seal"
	"github.com/orc-project/orc/version"
)

const (
	// snapshotTick is how often the schedule is looked at, and snapshotRetry the
	// pause after a snapshot of it that failed.
	snapshotTick  = 30 * time.Second
	snapshotRetry = 10 * time.Minute
	// snapshotReserve is what must stay free on the disk, in bytes: the database
	// comes first.
	snapshotReserve = 256 << 20
)

// snapshots makes and keeps snapshots of this manager's database. Each manager
// has its own, for a disk that dies takes what is on it along.
type snapshots struct {
	database *database
	node     string
	folder   backup.Folder
	log      *zap.Logger
	one      sync.Mutex // is made at a time
}

var _ rest.Snapshots = (*snapshots)(nil)

func (n *process) snapshots() *snapshots {
	return &snapshots{database: n.database, node: n.identity.ID, folder: backup.Folder(n.dir.file("snapshots")), log: n.log.Named("snapshots")}
}

// List implements rest.Snapshots.
func (s *snapshots) List() ([]api.SnapshotView, error) {
	entries, err := s.folder.List()
	views := make([]api.SnapshotView, len(entries))
	for i, each := range entries {
		views[i] = s.view(each)
	}
	return views, err
}

func (s *snapshots) view(entry backup.Entry) api.SnapshotView {
	return api.SnapshotView{
		Name: entry.Name(), Created: entry.Created, Node: s.node, Path: entry.Path, Length: entry.Length,
		Revision: entry.Revision, Key: entry.Key, Orc: entry.Orc,
	}
}

// Keep implements rest.Snapshots.
func (s *snapshots) Keep(ctx context.Context) (api.SnapshotView, error) {
	s.one.Lock()
	defer s.one.Unlock()
	path, settings, err := s.write(ctx)
	if err != nil {
		return api.SnapshotView{}, err
	}
	keep := settings.SnapshotKeep
	if keep == 0 {
		keep = api.DefaultSnapshotKeep
	}
	if err := s.folder.Keep(keep); err != nil {
		s.log.Warn("old snapshots could not be removed", zap.Error(err))
	}
	entries, err := s.folder.List()
	for _, each := range entries {
		if each.Path == path {
			return s.view(each), nil
		}
	}
	return api.SnapshotView{}, errors.Join(errors.New("the snapshot is gone again"), err)
}

// Make implements rest.Snapshots.
func (s *snapshots) Make(ctx context.Context) (rest.SnapshotFile, error) {
	s.one.Lock()
	defer s.one.Unlock()
	path, _, err := s.write(ctx)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err := errors.Join(err, os.Remove(path)); err != nil { // it lives as long as it is open
		return nil, err
	}
	sent := &snapshotFile{File: file, name: filepath.Base(path)}
	if err := sent.measure(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return sent, nil
}

// snapshotFile is a snapshot that has no name on the disk any more.
type snapshotFile struct {
	*os.File
	name   string
	length int64
	sum    []byte
}

func (f *snapshotFile) Name() string  { return f.name }
func (f *snapshotFile) Length() int64 { return f.length }
func (f *snapshotFile) Sum() []byte   { return f.sum }

func (f *snapshotFile) measure() (err error) {
	sum := sha256.New()
	if f.length, err = io.Copy(sum, f.File); err != nil {
		return err
	}
	f.sum = sum.Sum(nil)
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// catchUpTime is how long a snapshot waits for the other managers.
const catchUpTime = 5 * time.Second

// catchUp waits until this manager's copy of the database has all that was ever
// acknowledged. Without the others nobody knows: then its own copy is what can be
// saved, and that is worth more than none.
func (s *snapshots) catchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, catchUpTime)
	defer cancel()
	if _, err := s.database.store.Linearized(ctx); err != nil {
		s.log.Warn("the snapshot is of what this manager knows: it may not be the newest", zap.Error(err))
	}
}

// write makes the file of a snapshot. It copies the database, and reads the copy
// as a restore would before it is sealed.
func (s *snapshots) write(ctx context.Context) (path string, settings api.Settings, err error) {
	created := now()
	if path, err = s.folder.Prepare(created); err != nil {
		return "", settings, err
	}
	if err = s.room(); err != nil {
		return "", settings, err
	}
	copied, err := s.folder.Temporary()
	if err != nil {
		return "", settings, fmt.Errorf("make a snapshot: %w", err)
	}
	defer func() { err = errors.Join(err, copied.Close(), os.Remove(copied.Name())) }()
	s.catchUp(ctx)
	size, ring, err := s.copy(copied)
	if err != nil {
		return "", settings, fmt.Errorf("make a snapshot: %w", full(err))
	}
	snapshot, err := etcd.ReadFile(copied.Name(), ring)
	if err != nil {
		return "", settings, fmt.Errorf("make a snapshot: %w", err)
	}
	cluster := store.Get[api.Cluster](snapshot, api.ClusterID)
	if cluster == nil {
		return "", settings, api.Errorf(api.CodeUnavailable, "make a snapshot: the cluster is not set up yet: try again")
	}
	wrap, err := seal.UnlockKey(cluster.UnlockKey)
	if err != nil {
		return "", settings, fmt.Errorf("make a snapshot: %w", err)
	}
	if _, err = copied.Seek(0, io.SeekStart); err != nil {
		return "", settings, fmt.Errorf("make a snapshot: %w", err)
	}
	header := backup.Header{
		Cluster: cluster.Identity, Created: created.UTC(), Orc: version.Version, Revision: snapshot.Revision(), Size: size,
	}
	if err = backup.Write(path, header, untilDone{ctx, copied}, ring, wrap); err != nil {
		return "", settings, full(err)
	}
	return path, cluster.Settings, nil
}

// copy copies the database, with the keys that open what is in the copy.
func (s *snapshots) copy(to io.Writer) (size int64, ring *seal.Ring, err error) {
	ring, err = s.database.ring.During(func() (err error) {
		size, err = s.database.member.Backup(to)
		return err
	})
	return size, ring, err
}

// room refuses when the copy and the file would leave the database too little.
func (s *snapshots) room() error {
	var stat unix.Statfs_t
	if err := unix.Statfs(string(s.folder), &stat); err != nil {
		return fmt.Errorf("measure the free space of %s: %w", s.folder, err)
	}
	left, need := int64(stat.Bavail)*stat.Bsize, 2*s.database.member.Size()+snapshotReserve
	if left < need {
		return api.Errorf(api.CodeUnavailable, "no room for a snapshot: the disk of %s has %d MB left, and %d MB are needed", s.folder, left>>20, need>>20)
	}
	return nil
}

// full makes a disk that is full an error for the user.
func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return api.Errorf(api.CodeUnavailable, "%w", err)
	}
	return err
}

// untilDone ends reading with ctx.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u untilDone) Read(data []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(data)
}

// run makes snapshots by the cluster's settings until ctx ends.
func (s *snapshots) run(ctx context.Context) error {
	var failed time.Time
	for {
		if err := sleep.For(ctx, snapshotTick); err != nil {
			return err
		}
		cluster := store.Get[api.Cluster](s.database.store.Snapshot(), api.ClusterID)
		if cluster == nil || !due(cluster.Settings, s.newest(), failed, now()) {
			continue
		}
		made, err := s.Keep(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failed = now()
			s.log.Error("the scheduled snapshot failed", zap.Duration("retry", snapshotRetry), zap.Error(err))
		default:
			s.log.Info("made a snapshot", zap.String("path", made.Path), zap.Int64("bytes", made.Length))
		}
	}
}

// newest is when the newest snapshot was made, or zero.
func (s *snapshots) newest() time.Time {
	// What cannot be read is reported when it is listed.
	if found, _ := s.folder.List(); len(found) > 0 {
		return found[len(found)-1].Created
	}
	return time.Time{}
}

// due says whether it is time for the next snapshot. A newest one from the future
// is a clock's that was wrong: it does not count.
func due(settings api.Settings, newest, failed, at time.Time) bool {
	interval := settings.SnapshotInterval.Std()
	if interval == 0 || at.Sub(failed).Abs() < snapshotRetry {
		return false
	}
	return newest.After(at) || at.Sub(newest) >= interval
}

package member

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/version"
)

// Format is the number of the directory's layout. A newer orc that changes it so
// that this one cannot read it counts it up.
const Format = 1

// minFree is how many free bytes writing needs: the log grows by 64 MB at a time.
// Once there were fewer, it takes enoughFree until it is writing again, so that a disk
// about to be full does not change a manager's mind time and again.
const minFree, enoughFree = 100 << 20, 150 << 20

// identity is in the file that says whose a directory is.
type identity struct {
	Format  int    `json:"format"`
	Cluster string `json:"cluster"`
	Name    string `json:"name"`
	Orc     string `json:"orc"` // the version that made it
}

func dataDir(dir string) string { return filepath.Join(dir, "etcd") }

// File is where the member in dir keeps its database. It may be read while no
// member runs; the newest writes may still be in the log alone.
func File(dir string) string { return filepath.Join(dataDir(dir), "member", "snap", "db") }

func identityFile(dir string) string { return filepath.Join(dir, "member.json") }

// enteringFile is there while a new member has not been one of its cluster's.
func enteringFile(dir string) string { return filepath.Join(dir, "entering") }

// enter notes that the member is new in a cluster, before it has any data.
func enter(dir string) error {
	if err := writeLasting(enteringFile(dir), nil); err != nil {
		return fmt.Errorf("enter the managers' database: %w", err)
	}
	return nil
}

// entered notes, for good, that the member is one of its cluster's. It is called before
// the member can get a vote: the vote of one that would not resume would be missed.
func entered(dir string) error {
	err := os.Remove(enteringFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncFile(dir)
	}
	if err != nil {
		return fmt.Errorf("enter the managers' database: %w", err)
	}
	return nil
}

// claim makes the directory this member's, if it is nobody's, locks it until the
// returned file is closed, and refuses it when it is another's.
func claim(dir, cluster, name string) (*os.File, error) {
	if err := os.MkdirAll(dataDir(dir), 0o700); err != nil {
		return nil, fmt.Errorf("make the database's directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the database's directory: %w", err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = api.Conflictf("the data directory %s is in use by another orc: stop that one, or choose another directory", dir)
	}
	if err == nil {
		err = checkIdentity(dir, cluster, name)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func checkIdentity(dir, cluster, name string) error {
	text, err := os.ReadFile(identityFile(dir))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.Trim(text, "\x00")) == 0 && !Exists(dir) {
		return writeIdentity(dir, identity{Format: Format, Cluster: cluster, Name: name, Orc: version.Version})
	}
	if err != nil {
		return fmt.Errorf("read whose database it is: %w", err)
	}
	var found identity
	if err := json.Unmarshal(text, &found); err != nil {
		return fmt.Errorf("read whose database it is: %s is damaged", identityFile(dir))
	}
	switch {
	case found.Format > Format:
		return api.Invalidf("the data directory %s was written by a newer orc (%s): run that version, or a later one", dir, found.Orc)
	case found.Cluster != cluster:
		return api.Invalidf("the data directory %s belongs to another cluster (%s, not %s): choose another directory, or remove it", dir, found.Cluster, cluster)
	case found.Name != name:
		return api.Invalidf("the data directory %s belongs to another node (%s, not %s): choose another directory, or remove it", dir, found.Name, name)
	}
	return nil
}

// writeIdentity is called with the directory locked and empty. It returns when the file
// lasts: etcd syncs its own, and data beside a file that a power cut has emptied would be
// refused for ever.
func writeIdentity(dir string, id identity) error {
	text, err := json.Marshal(id)
	if err == nil {
		err = writeLasting(identityFile(dir), append(text, '\n'))
	}
	if err == nil {
		err = syncFile(filepath.Dir(dir)) // the directory is new, too
	}
	if err != nil {
		return fmt.Errorf("write whose database it is: %w", err)
	}
	return nil
}

// writeLasting makes a file that is complete or, after a crash, not there.
func writeLasting(path string, text []byte) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncFile(filepath.Dir(path))
}

// free fails when the directory's disk is as good as full.
func free(dir string, needed uint64) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("measure the free space of %s: %w", dir, err)
	}
	if left := stat.Bavail * uint64(stat.Bsize); left < needed {
		return fmt.Errorf("the disk of %s is full: %d MB are left, %d MB are needed", dir, left>>20, needed>>20)
	}
	return nil
}

// syncTree makes what lies below dir last, names and contents.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncFile(path)
	})
}

// syncFile makes a file last, or the names in a directory.
func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/orc-project/orc/api"
)

// format is the version of the data directory's layout. A newer one is refused.
const format = 1

// identity is node.json: who this node is. It is written last when a node
// becomes one, so that a data directory without it is nobody's yet.
type identity struct {
	Format  int      `json:"format"`
	ID      string   `json:"id"`
	Cluster string   `json:"cluster"` // api.Cluster.Identity
	Role    api.Role `json:"role"`
	// Managers are the addresses that were known last, to resume with.
	Managers []string `json:"managers,omitempty"`
	// Banned and BannedTerms are what api.Cluster says as a manager knew it last: it holds
	// before the database is open, too.
	Banned      map[string]time.Time `json:"banned,omitempty"`
	BannedTerms map[string]int       `json:"bannedTerms,omitempty"`
	// Former are the digests of the CA's roots that this node has trusted before: join
	// tokens of that time are of this cluster, too.
	Former []string `json:"former,omitempty"`
	// Alone is set by a restore until the database knows this node, which it does as
	// its only manager.
	Alone *newcomer `json:"alone,omitempty"`
}

// newcomer is what is told of a node that the database does not know yet.
type newcomer struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
}

// directory is a node's data directory, locked by this process.
//
//	node.json            who the node is
//	node.pem             its certificate and key, together so that no crash can part
//	                     them (0600, the key sealed when the cluster locks itself);
//	                     roots.crt: whom it trusts
//	orc.sock             the API for root on this host
//	ring, ring.key       what a manager's database is sealed with (0600)
//	snapshots/           of the database
//	quorum               changed when a manager had a quorum last
//	db/                  a manager's database; agent/, containerd/: the agent's
//	.db.gone/            what is left to remove of one that is no longer this node's
type directory struct {
	path string
	lock *os.File
	pair pair
}

// openDirectory makes the directory if need be and locks it.
func openDirectory(path string) (*directory, error) {
	if err := os.MkdirAll(path, 0o711); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, api.Conflictf("another orc process uses the data directory %s: stop it, or choose another --data-dir", path)
		}
		return nil, fmt.Errorf("lock the data directory %s: %w", path, err)
	}
	return &directory{path: path, lock: lock}, nil
}

// close gives the lock up.
func (d *directory) close() error { return errors.Join(d.pair.close(), d.lock.Close()) }

func (d *directory) file(name string) string { return filepath.Join(d.path, name) }

// load reads who the node is, or nil when the directory is nobody's.
func (d *directory) load() (*identity, error) {
	data, err := os.ReadFile(d.file("node.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the node's identity: %w", err)
	}
	var id identity
	if err := json.Unmarshal(data, &id); err != nil {
		return nil, api.Invalidf("%s is damaged: %w", d.file("node.json"), err)
	}
	switch {
	case id.Format > format:
		return nil, api.Invalidf("the data directory %s was written by a newer orc (format %d, this one knows %d): update orc", d.path, id.Format, format)
	case id.Format < 1 || id.ID == "" || id.Cluster == "" || id.Role == "":
		return nil, api.Invalidf("%s is damaged: it does not say who the node is", d.file("node.json"))
	}
	return &id, nil
}

// save writes who the node is.
func (d *directory) save(id *identity) error {
	data, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	return d.write("node.json", append(data, '\n'), 0o600)
}

// roots are those that the node trusts (PEM).
func (d *directory) roots() ([]byte, error) {
	roots, err := os.ReadFile(d.file("roots.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the node's credentials: %w", err)
	}
	return roots, nil
}

// write replaces a file as a whole: after a crash it is the old or the new one.
func (d *directory) write(name string, data []byte, mode os.FileMode) error {
	temporary := d.file("." + name + ".new")
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(temporary))
	}
	if err := os.Rename(temporary, d.file(name)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return d.sync()
}

// away is the name of what is to be removed, and is of no meaning any more.
func away(name string) string { return "." + name + ".gone" }

// putAway takes what has that name away as a whole, and for good: after a crash it is there
// or not. Nothing of that name is no error.
func (d *directory) putAway(name string) error {
	if _, err := os.Lstat(d.file(name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := os.RemoveAll(d.file(away(name))); err != nil {
		return err
	}
	if err := os.Rename(d.file(name), d.file(away(name))); err != nil {
		return err
	}
	return d.sync()
}

// sync makes renames in the directory last.
func (d *directory) sync() error {
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

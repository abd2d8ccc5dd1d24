package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store/seal"
)

// openKeys reads what seals the database, unless the node is to get it yet. A
// manager that is locked waits for the unlock key.
func (n *process) openKeys(ctx context.Context) error {
	path := n.dir.file("ring")
	locked, err := seal.Locked(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a worker, or a manager before it has entered the database
	case err != nil:
		return fmt.Errorf("open the database's keys: %w", err)
	case locked:
		return n.waitUnlocked(ctx)
	}
	if n.wrap, err = seal.NodeKey(n.dir.file("ring.key")); err != nil {
		return err
	}
	if n.keys, err = seal.Load(path, n.wrap); err != nil {
		return fmt.Errorf("open the database's keys: %w", err)
	}
	return nil
}

// saveRing keeps the keys on this node's disk.
func (n *process) saveRing(ring *seal.Ring) (err error) {
	if n.wrap == (seal.Wrap{}) {
		if n.wrap, err = seal.NodeKey(n.dir.file("ring.key")); err != nil {
			return err
		}
	}
	if n.keys == nil {
		n.keys = ring
	}
	return seal.Save(n.dir.file("ring"), ring, n.wrap)
}

// keep puts the keys of a cluster on this node's disk for the first time.
func (n *process) keep(cluster *api.Cluster, ring *seal.Ring) (err error) {
	if cluster.Settings.Autolock {
		if n.wrap, err = seal.UnlockKey(cluster.UnlockKey); err != nil {
			return err
		}
		n.dir.pair.ring = ring
	}
	return n.saveRing(ring)
}

// forgetKeys removes the keys, of which the node's private key needs none then.
func (n *process) forgetKeys() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.dir.protect(nil); err != nil {
		return err
	}
	n.keys, n.wrap = nil, seal.Wrap{}
	for _, name := range []string{"ring", "ring.key"} {
		if err := os.Remove(n.dir.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the database's keys: %w", err)
		}
	}
	return nil
}

// secure makes what is on the disk open with what the cluster wants: the unlock
// key, or what is on the disk too.
func (n *process) secure(cluster *api.Cluster) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cluster.Settings.Autolock {
		return n.lockDisk(cluster.UnlockKey)
	}
	wrap, err := seal.NodeKey(n.dir.file("ring.key"))
	if err != nil {
		return err
	}
	if err := n.rewrap(wrap); err != nil {
		return err
	}
	return n.dir.protect(nil)
}

// lockDisk leaves nothing on the disk that opens without the unlock key. The node's
// key goes last of all, so that a crash between two steps locks nobody out.
func (n *process) lockDisk(unlockKey string) error {
	wrap, err := seal.UnlockKey(unlockKey)
	if err != nil {
		return err
	}
	if err := n.dir.protect(n.keys); err != nil {
		return err
	}
	if err := n.rewrap(wrap); err != nil {
		return err
	}
	if err := os.Remove(n.dir.file("ring.key")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the node's own key: %w", err)
	}
	return nil
}

// rewrap has the ring wrapped by another key from now on.
func (n *process) rewrap(wrap seal.Wrap) error {
	done, err := seal.Wraps(n.dir.file("ring"), wrap)
	if err != nil {
		return err
	}
	n.wrap = wrap
	if done {
		return nil
	}
	return n.saveRing(n.keys)
}

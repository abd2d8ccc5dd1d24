package node

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/orc-project/orc/store/seal"
)

// ring is the keys that seal the database: read, or new for a new cluster.
func (n *process) ring() (*seal.Ring, error) {
	wrap, err := seal.NodeKey(n.dir.file("ring.key"))
	if err != nil {
		return nil, err
	}
	ring, err := seal.Load(n.dir.file("ring"), wrap)
	if errors.Is(err, fs.ErrNotExist) && n.new != nil {
		ring = seal.NewRing()
		err = n.saveRing(ring)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database's keys: %w", err)
	}
	return ring, nil
}

// saveRing keeps the keys on this node's disk.
func (n *process) saveRing(ring *seal.Ring) error {
	wrap, err := seal.NodeKey(n.dir.file("ring.key"))
	if err != nil {
		return err
	}
	return seal.Save(n.dir.file("ring"), ring, wrap)
}

package wire

import (
	"time"

	"github.com/orc-project/orc/api"
)

// Volume is a named volume that a node has.
type Volume struct {
	Name    string    `cbor:"1,keyasint"`
	Created time.Time `cbor:"2,keyasint"`
	// Size is in bytes on disk; negative when measuring it took too long.
	Size int64 `cbor:"3,keyasint"`
	// InUse says that a container, or a task that is to have one, mounts it.
	InUse bool `cbor:"4,keyasint,omitempty"`
}

// DiskUsage is what a node keeps on its disk.
type DiskUsage struct {
	Images     api.Usage `cbor:"1,keyasint"`
	Containers api.Usage `cbor:"2,keyasint"`
	Volumes    api.Usage `cbor:"3,keyasint"`
	Logs       api.Usage `cbor:"4,keyasint"`
	// Total and Free are the bytes of the file system that it is on.
	Total int64 `cbor:"5,keyasint"`
	Free  int64 `cbor:"6,keyasint"`
}

// PruneRequest has a node remove what its tasks do not need. The answer is a
// Pruned.
type PruneRequest struct {
	// Volumes are removed by name. One that is in use is told of and stays.
	Volumes []string `cbor:"1,keyasint,omitempty"`
	// Images removes every image but those of the digests in Keep.
	Images bool     `cbor:"2,keyasint,omitempty"`
	Keep   []string `cbor:"3,keyasint,omitempty"`
	// Names are images to remove by name, whatever Images and Keep say.
	Names []string `cbor:"4,keyasint,omitempty"`
	// Logs removes those of tasks that have ended.
	Logs bool `cbor:"5,keyasint,omitempty"`
	// DryRun removes nothing and tells what would go.
	DryRun bool `cbor:"6,keyasint,omitempty"`
}

// Pruned is what a PruneRequest removed, each kind in the order of the names.
type Pruned struct {
	Volumes []api.Removal `cbor:"1,keyasint,omitempty"`
	Images  []api.Removal `cbor:"2,keyasint,omitempty"`
	Logs    []api.Removal `cbor:"3,keyasint,omitempty"` // by task ID
}

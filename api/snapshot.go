package api

import "time"

// SnapshotView is a snapshot of the database that a manager keeps on its disk.
type SnapshotView struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Node    string    `json:"node"`   // that keeps it
	Path    string    `json:"path"`   // there
	Length  int64     `json:"length"` // of the file, in bytes
	// Revision of the database. Key is the ID of the unlock key that opens it: see
	// UnlockKey.
	Revision int64  `json:"revision"`
	Key      string `json:"key"`
	Orc      string `json:"orc"` // the version that made it
}

// UnlockRequest is POST /v1/unlock.
type UnlockRequest struct {
	Key string `json:"key"`
}

// UnlockKey answers GET /v1/unlock-key.
type UnlockKey struct {
	Key string `json:"key"`
	// ID tells keys apart without telling anything of them.
	ID string `json:"id"`
}

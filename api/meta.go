package api

import "time"

// Meta is what every object in the database has.
//
// Objects read from a store are shared and must not be changed: take a copy,
// change it, commit it.
type Meta struct {
	// ID names the object for ever; it is never used again. See NewID.
	ID string `json:"id"`
	// Version is the store's revision at which the object last changed. The
	// store sets it when it reads; it is not part of the stored value. A commit
	// compares it, so that two writers never overwrite each other.
	Version int64 `json:"version,omitempty"`
	// Created and Updated are wall-clock times of the manager that wrote.
	Created time.Time `json:"created,omitzero"`
	Updated time.Time `json:"updated,omitzero"`
}

// Header gives access to the Meta of any object.
func (m *Meta) Header() *Meta { return m }

package store

import "github.com/orc-project/orc/api"

// Tx collects the operations of one commit. It takes ownership of the objects.
// The zero value is empty. At most one operation per object.
type Tx struct {
	ops []Op
}

// Op is one operation of a Tx, for implementations.
type Op struct {
	Verb   Verb
	Kind   api.Kind
	ID     string
	Object api.Object // nil for Delete and Require
	// Version is what the object's version must be: 0 for "must not exist",
	// Any for no condition.
	Version int64
}

// Any is the version of an unconditional operation.
const Any int64 = -1

// Verb is what an Op does.
type Verb int

// The verbs.
const (
	Put     Verb = iota // write Object
	Delete              // remove; with Any, a missing object is no error
	Require             // only compare
)

// Create writes an object that must not exist yet.
func (tx *Tx) Create(object api.Object) { tx.put(object, 0) }

// Update writes an object that must not have changed since it was read, by its
// Header().Version.
func (tx *Tx) Update(object api.Object) { tx.put(object, object.Header().Version) }

// Set writes an object whatever is there.
func (tx *Tx) Set(object api.Object) { tx.put(object, Any) }

// Delete removes an object that must not have changed since it was read.
func (tx *Tx) Delete(object api.Object) {
	tx.ops = append(tx.ops, Op{Verb: Delete, Kind: object.Kind(), ID: object.Header().ID, Version: object.Header().Version})
}

// Remove removes an object, if it is there.
func (tx *Tx) Remove(kind api.Kind, id string) {
	tx.ops = append(tx.ops, Op{Verb: Delete, Kind: kind, ID: id, Version: Any})
}

// Require lets the commit fail with ErrConflict when the object, which it does
// not write, has changed since it was read.
func (tx *Tx) Require(object api.Object) {
	tx.ops = append(tx.ops, Op{Verb: Require, Kind: object.Kind(), ID: object.Header().ID, Version: object.Header().Version})
}

// Ops returns the operations in the order they were added. The slice is the
// transaction's own.
func (tx *Tx) Ops() []Op { return tx.ops }

// Len is the number of operations.
func (tx *Tx) Len() int { return len(tx.ops) }

func (tx *Tx) put(object api.Object, version int64) {
	tx.ops = append(tx.ops, Op{Verb: Put, Kind: object.Kind(), ID: object.Header().ID, Object: object, Version: version})
}

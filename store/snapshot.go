package store

import (
	"iter"

	"github.com/orc-project/orc/api"
)

// Index names a way to find objects of a kind other than by their ID.
type Index string

// The indexes. A task is in ByNode only once placed; its status is not indexed,
// for it has the task's ID.
const (
	ByName    Index = "name"    // Named objects, and nodes (whose names may repeat)
	ByApp     Index = "app"     // services, networks, secrets, configs, volumes, app revisions
	ByService Index = "service" // tasks, revisions
	ByNetwork Index = "network" // blocks
	ByNode    Index = "node"    // tasks, blocks
)

// Snapshot is an immutable view of the whole database at one revision. It is
// cheap to keep and safe to share. The objects in it must not be changed.
type Snapshot struct {
	revision int64
	tables   map[api.Kind]table
}

// Revision is the store's revision that the snapshot shows.
func (s *Snapshot) Revision() int64 { return s.revision }

// Get returns the object of type T with the ID, or nil.
//
//	service := store.Get[api.Service](snapshot, id)
func Get[T any, P object[T]](s *Snapshot, id string) *T {
	found, _ := s.table(kindOf[T, P]()).get(id).(P)
	return (*T)(found)
}

// Object returns the object of the kind with the ID, or nil.
func (s *Snapshot) Object(kind api.Kind, id string) api.Object { return s.table(kind).get(id) }

// All yields the objects of type T in the order of their IDs.
func All[T any, P object[T]](s *Snapshot) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for each := range s.table(kindOf[T, P]()).all() {
			if !yield((*T)(each.(P))) {
				return
			}
		}
	}
}

// Find yields the objects of type T whose index has the value, in the order of
// their IDs.
//
//	for task := range store.Find[api.Task](snapshot, store.ByService, id) { … }
func Find[T any, P object[T]](s *Snapshot, index Index, value string) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for each := range s.table(kindOf[T, P]()).find(index, value) {
			if !yield((*T)(each.(P))) {
				return
			}
		}
	}
}

// First returns the first object that Find yields, or nil.
func First[T any, P object[T]](s *Snapshot, index Index, value string) *T {
	for found := range Find[T, P](s, index, value) {
		return found
	}
	return nil
}

// Count is the number of objects of type T.
func Count[T any, P object[T]](s *Snapshot) int { return s.table(kindOf[T, P]()).len() }

// object says that *T is an api.Object.
type object[T any] interface {
	*T
	api.Object
}

func kindOf[T any, P object[T]]() api.Kind { return P(nil).Kind() }

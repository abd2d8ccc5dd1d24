package store

import (
	"iter"

	iradix "github.com/hashicorp/go-immutable-radix/v2"

	"github.com/orc-project/orc/api"
)

// table is one kind's objects and indexes: persistent radix trees, so that a new
// version costs what changed and shares the rest with the old one.
type table struct {
	objects *iradix.Tree[api.Object]
	indexes map[Index]*iradix.Tree[api.Object]
}

func (t table) get(id string) api.Object {
	if t.objects == nil {
		return nil
	}
	found, _ := t.objects.Get([]byte(id))
	return found
}

func (t table) all() iter.Seq[api.Object] { return walk(t.objects, nil) }

func (t table) find(index Index, value string) iter.Seq[api.Object] {
	return walk(t.indexes[index], indexKey(value, ""))
}

func (t table) len() int {
	if t.objects == nil {
		return 0
	}
	return t.objects.Len()
}

func (s *Snapshot) table(kind api.Kind) table { return s.tables[kind] }

func walk(tree *iradix.Tree[api.Object], prefix []byte) iter.Seq[api.Object] {
	return func(yield func(api.Object) bool) {
		if tree == nil {
			return
		}
		cursor := tree.Root().Iterator()
		cursor.SeekPrefix(prefix)
		for _, object, ok := cursor.Next(); ok; _, object, ok = cursor.Next() {
			if !yield(object) {
				return
			}
		}
	}
}

// indexKey separates the value from the ID by a byte that neither has.
func indexKey(value, id string) []byte { return []byte(value + "\x00" + id) }

// indexed returns the values under which an object is found.
func indexed(object api.Object) map[Index]string {
	values := make(map[Index]string, 2)
	set := func(index Index, value string) {
		if value != "" {
			values[index] = value
		}
	}
	if named, ok := object.(api.Named); ok {
		set(ByName, named.UniqueName())
	}
	switch o := object.(type) {
	case *api.Node:
		set(ByName, o.Name)
	case *api.Task:
		set(ByService, o.Service)
		set(ByNode, o.Node)
	case *api.Revision:
		set(ByService, o.Service)
	case *api.AppRevision:
		set(ByApp, o.App)
	case *api.Service:
		set(ByApp, o.App)
	case *api.Network:
		set(ByApp, o.App)
	case *api.Secret:
		set(ByApp, o.App)
	case *api.Config:
		set(ByApp, o.App)
	case *api.Volume:
		set(ByApp, o.App)
	}
	return values
}

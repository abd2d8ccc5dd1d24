package store

import (
	"iter"
	"strings"

	"github.com/orc-project/orc/api"
)

// table is one kind's objects, by ID, and indexes, by indexKey. The zero value is
// empty.
type table struct {
	objects tree
	indexes map[Index]tree
}

func (t table) get(id string) api.Object { return t.objects.get(id) }

func (t table) all() iter.Seq[api.Object] { return walk(t.objects, "") }

func (t table) find(index Index, value string) iter.Seq[api.Object] {
	return walk(t.indexes[index], indexKey(value, ""))
}

func (t table) len() int { return t.objects.size }

func (s *Snapshot) table(kind api.Kind) table { return s.tables[kind] }

// walk yields the objects whose keys begin with the prefix.
func walk(t tree, prefix string) iter.Seq[api.Object] {
	return func(yield func(api.Object) bool) {
		t.from(prefix, func(key string, object api.Object) bool {
			return strings.HasPrefix(key, prefix) && yield(object)
		})
	}
}

// indexKey separates the value from the ID by a byte that neither has.
func indexKey(value, id string) string { return value + "\x00" + id }

// entry is an index and the value under which it has an object.
type entry struct {
	index Index
	value string
}

// indexed returns where an object is found: at most two entries, the rest is
// empty.
func indexed(object api.Object) (entries [2]entry) {
	switch o := object.(type) {
	case *api.Task:
		return [2]entry{{ByService, o.Service}, {ByNode, o.Node}}
	case *api.Block:
		return [2]entry{{ByNetwork, o.Network}, {ByNode, o.Node}}
	case *api.Node:
		entries[0] = entry{ByName, o.Name}
	case *api.Revision:
		entries[0] = entry{ByService, o.Service}
	case *api.AppRevision:
		entries[0] = entry{ByApp, o.App}
	case *api.Service:
		entries[0] = entry{ByApp, o.App}
	case *api.Network:
		entries[0] = entry{ByApp, o.App}
	case *api.Secret:
		entries[0] = entry{ByApp, o.App}
	case *api.Config:
		entries[0] = entry{ByApp, o.App}
	case *api.Volume:
		entries[0] = entry{ByApp, o.App}
	}
	if named, ok := object.(api.Named); ok {
		entries[1] = entry{ByName, named.UniqueName()}
	}
	return entries
}

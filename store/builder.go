package store

import (
	"maps"

	"github.com/orc-project/orc/api"
)

// Builder makes the next Snapshot from one. Implementations of Store and tests
// use it; it is not safe for use by several goroutines.
type Builder struct {
	tables map[api.Kind]*tableEdit
	base   *Snapshot
}

type tableEdit struct {
	objects *treeEdit
	indexes map[Index]*treeEdit
}

// NewBuilder starts from base, or from nothing when base is nil.
func NewBuilder(base *Snapshot) *Builder {
	if base == nil {
		base = &Snapshot{}
	}
	return &Builder{tables: make(map[api.Kind]*tableEdit), base: base}
}

// NewSnapshot makes a view of objects, whose versions should be set.
func NewSnapshot(revision int64, objects ...api.Object) *Snapshot {
	b := NewBuilder(nil)
	for _, object := range objects {
		b.Put(object)
	}
	return b.Snapshot(revision)
}

// Put adds or replaces an object and returns the one that was there, or nil.
func (b *Builder) Put(object api.Object) api.Object {
	t, id := b.table(object.Kind()), object.Header().ID
	old := t.objects.put(id, object)
	was, is := [2]entry{}, indexed(object)
	if old != nil {
		was = indexed(old)
	}
	for i := range is {
		if was[i] != is[i] {
			t.unindex(was[i], id)
		}
		if is[i].value != "" {
			t.index(is[i].index).put(indexKey(is[i].value, id), object)
		}
	}
	return old
}

// Delete removes an object and returns it, or nil if there was none.
func (b *Builder) Delete(kind api.Kind, id string) api.Object {
	t := b.table(kind)
	old := t.objects.delete(id)
	if old != nil {
		for _, was := range indexed(old) {
			t.unindex(was, id)
		}
	}
	return old
}

// Snapshot ends the work and returns the view.
func (b *Builder) Snapshot(revision int64) *Snapshot {
	next := &Snapshot{revision: revision, tables: maps.Clone(b.base.tables)}
	if next.tables == nil {
		next.tables = make(map[api.Kind]table)
	}
	for kind, edit := range b.tables {
		t := table{objects: edit.objects.end(), indexes: make(map[Index]tree, len(edit.indexes))}
		for index, each := range edit.indexes {
			t.indexes[index] = each.end()
		}
		next.tables[kind] = t
	}
	b.tables = nil
	return next
}

func (b *Builder) table(kind api.Kind) *tableEdit {
	if t := b.tables[kind]; t != nil {
		return t
	}
	from := b.base.table(kind)
	t := &tableEdit{objects: from.objects.edit(), indexes: make(map[Index]*treeEdit, len(from.indexes))}
	for index, each := range from.indexes {
		t.indexes[index] = each.edit()
	}
	b.tables[kind] = t
	return t
}

func (t *tableEdit) index(index Index) *treeEdit {
	if t.indexes[index] == nil {
		t.indexes[index] = tree{}.edit()
	}
	return t.indexes[index]
}

func (t *tableEdit) unindex(was entry, id string) {
	if was.value != "" {
		t.index(was.index).delete(indexKey(was.value, id))
	}
}

package store

import (
	"maps"

	iradix "github.com/hashicorp/go-immutable-radix/v2"

	"github.com/orc-project/orc/api"
)

// Builder makes the next Snapshot from one. Implementations of Store and tests
// use it; it is not safe for use by several goroutines.
type Builder struct {
	tables map[api.Kind]*tableTxn
	base   *Snapshot
}

type tableTxn struct {
	objects *iradix.Txn[api.Object]
	indexes map[Index]*iradix.Txn[api.Object]
}

// NewBuilder starts from base, or from nothing when base is nil.
func NewBuilder(base *Snapshot) *Builder {
	if base == nil {
		base = &Snapshot{}
	}
	return &Builder{tables: make(map[api.Kind]*tableTxn), base: base}
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
	t := b.table(object.Kind())
	id := object.Header().ID
	old, existed := t.objects.Insert([]byte(id), object)
	if existed {
		t.unindex(old)
	}
	for index, value := range indexed(object) {
		t.index(index).Insert(indexKey(value, id), object)
	}
	return old
}

// Delete removes an object and returns it, or nil if there was none.
func (b *Builder) Delete(kind api.Kind, id string) api.Object {
	t := b.table(kind)
	old, existed := t.objects.Delete([]byte(id))
	if existed {
		t.unindex(old)
	}
	return old
}

// Snapshot ends the work and returns the view.
func (b *Builder) Snapshot(revision int64) *Snapshot {
	next := &Snapshot{revision: revision, tables: maps.Clone(b.base.tables)}
	if next.tables == nil {
		next.tables = make(map[api.Kind]table)
	}
	for kind, txn := range b.tables {
		t := table{objects: txn.objects.Commit(), indexes: make(map[Index]*iradix.Tree[api.Object])}
		for index, tree := range txn.indexes {
			t.indexes[index] = tree.Commit()
		}
		next.tables[kind] = t
	}
	return next
}

func (b *Builder) table(kind api.Kind) *tableTxn {
	if t := b.tables[kind]; t != nil {
		return t
	}
	from := b.base.table(kind)
	t := &tableTxn{indexes: make(map[Index]*iradix.Txn[api.Object])}
	if from.objects == nil {
		from.objects = iradix.New[api.Object]()
	}
	t.objects = from.objects.Txn()
	for index, tree := range from.indexes {
		t.indexes[index] = tree.Txn()
	}
	b.tables[kind] = t
	return t
}

func (t *tableTxn) index(index Index) *iradix.Txn[api.Object] {
	if t.indexes[index] == nil {
		t.indexes[index] = iradix.New[api.Object]().Txn()
	}
	return t.indexes[index]
}

func (t *tableTxn) unindex(object api.Object) {
	for index, value := range indexed(object) {
		t.index(index).Delete(indexKey(value, object.Header().ID))
	}
}

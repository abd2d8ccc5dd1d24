// Package deploy is the write path: from a snapshot and what a user asks for it
// makes one transaction, and says in words what it changes and why. Nothing is
// half-done: a draft is committed whole or not at all.
//
// Drafting is pure: the time and new IDs are arguments, the database is not
// touched, and images are resolved before (see ResolveImages). It never places a
// task and never waits for one: that is the scheduler's and the agent's.
package deploy

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/network"
	"github.com/orc-project/orc/store"
)

// The actions of steps.
const (
	Create = "create"
	Update = "update"
	Remove = "remove"
	Keep   = "keep" // told because a user may expect otherwise
)

// Draft collects what a request does. It is for one goroutine and one use. After
// an error it must not be committed.
type Draft struct {
	// Steps are the changes in words, Warnings what a user should know.
	Steps    []api.DeployStep
	Warnings []string

	snapshot *store.Snapshot
	now      time.Time
	newID    func() string
	puts     map[objectKey]put
	order    []objectKey
	requires map[objectKey]api.Object
	// services are what this draft makes of services, by ID; nil when removed.
	services map[string]*api.ServiceSpec
	ledger   *network.Ledger
	// lingering has, once asked for, the revisions that services have not left.
	lingering map[string]map[int]bool
}

type objectKey struct {
	kind api.Kind
	id   string
}

// put is one object's new state; nil means removed.
type put struct {
	before, after api.Object
}

// NewDraft begins on a snapshot. newID is api.NewID except in tests.
func NewDraft(snapshot *store.Snapshot, now time.Time, newID func() string) *Draft {
	return &Draft{
		snapshot: snapshot, now: now.UTC(), newID: newID,
		puts: make(map[objectKey]put), requires: make(map[objectKey]api.Object), services: make(map[string]*api.ServiceSpec),
		ledger: network.Open(snapshot),
	}
}

// Snapshot is what the draft is made on.
func (d *Draft) Snapshot() *store.Snapshot { return d.snapshot }

// Changed says whether there is anything to write.
func (d *Draft) Changed() bool { return len(d.puts) > 0 }

// Tx is the transaction. It fails, when something that the draft builds on has
// changed meanwhile, with store.ErrConflict.
func (d *Draft) Tx() *store.Tx {
	tx := &store.Tx{}
	for _, key := range d.order {
		switch p := d.puts[key]; {
		case p.before == nil:
			tx.Create(p.after)
		case p.after == nil:
			tx.Delete(p.before)
		default:
			tx.Update(p.after)
		}
	}
	for _, key := range sortedKeys(d.requires) {
		if _, written := d.puts[key]; !written {
			tx.Require(d.requires[key])
		}
	}
	return tx
}

func sortedKeys[V any](of map[objectKey]V) []objectKey {
	return slices.SortedFunc(maps.Keys(of), func(a, b objectKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
}

// Now is the draft's time.
func (d *Draft) Now() time.Time { return d.now }

// NewID makes an ID for a new object.
func (d *Draft) NewID() string { return d.newID() }

// Put drafts an object that has no rules of its own here: before nil makes it,
// after nil removes it. after is a changed copy, never before itself.
func (d *Draft) Put(before, after api.Object) {
	switch {
	case before == nil:
		d.create(after)
	case after == nil:
		d.remove(before)
	default:
		d.update(before, after)
	}
}

func (d *Draft) create(object api.Object) {
	header := object.Header()
	header.Version, header.Created, header.Updated = 0, d.now, d.now
	d.put(nil, object)
}

// update replaces before by after, a changed copy of it.
func (d *Draft) update(before, after api.Object) {
	header := after.Header()
	header.Version, header.Created, header.Updated = before.Header().Version, before.Header().Created, d.now
	d.put(before, after)
}

func (d *Draft) remove(object api.Object) { d.put(object, nil) }

func (d *Draft) put(before, after api.Object) {
	object := after
	if object == nil {
		object = before
	}
	key := objectKey{object.Kind(), object.Header().ID}
	if earlier, again := d.puts[key]; again {
		before = earlier.before
		if before == nil && after == nil {
			d.drop(key.kind, key.id)
			return
		}
	} else {
		d.order = append(d.order, key)
	}
	d.puts[key] = put{before, after}
}

// drop takes back what was drafted for an object, if anything was.
func (d *Draft) drop(kind api.Kind, id string) {
	key := objectKey{kind, id}
	delete(d.puts, key)
	d.order = slices.DeleteFunc(d.order, func(k objectKey) bool { return k == key })
}

// require lets the commit fail when an object that the draft read has changed; with
// version 0, when it has come to exist.
func (d *Draft) require(object api.Object) {
	d.requires[objectKey{object.Kind(), object.Header().ID}] = object
}

func (d *Draft) step(action string, kind api.Kind, name, reason string, changes ...string) {
	d.Steps = append(d.Steps, api.DeployStep{Action: action, Object: kind, Name: name, Reason: reason, Changes: changes})
}

func (d *Draft) warn(format string, args ...any) {
	d.Warnings = append(d.Warnings, api.Invalidf(format, args...).Message)
}

// drafted returns the object as this draft leaves it. The draft's own answer
// comes first; ok is false when it has none.
func drafted[T api.Object](d *Draft, id string) (object T, ok bool) {
	var zero T
	p, found := d.puts[objectKey{zero.Kind(), id}]
	if !found || p.after == nil {
		return zero, found
	}
	return p.after.(T), true
}

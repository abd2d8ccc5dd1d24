package store

import (
	"fmt"

	"github.com/orc-project/orc/api"
)

// Encoded are the values of a Tx's operations, in their order; nil where there
// is nothing to write.
type Encoded [][]byte

// Encode checks what can be checked of a transaction by itself and encodes its
// objects, for implementations. It fails with ErrTooLarge beyond the limits, with
// ErrUnreadable for what would stop every reader, and when an object has no ID, an
// unknown kind or two operations.
func (tx *Tx) Encode() (Encoded, error) {
	if len(tx.ops) > MaxOps {
		return nil, fmt.Errorf("%d operations, at most %d are possible: %w", len(tx.ops), MaxOps, ErrTooLarge)
	}
	type key struct {
		kind api.Kind
		id   string
	}
	seen := make(map[key]bool, len(tx.ops))
	values, total := make(Encoded, len(tx.ops)), 0
	for i, op := range tx.ops {
		switch k := (key{op.Kind, op.ID}); {
		case op.ID == "":
			return nil, fmt.Errorf("commit: a %s has no ID", op.Kind)
		case !known[op.Kind]:
			return nil, fmt.Errorf("commit %s: there is no kind %q", op.ID, op.Kind)
		case seen[k]:
			return nil, fmt.Errorf("commit: %s %s is in the transaction twice", op.Kind, op.ID)
		default:
			seen[k] = true
		}
		if op.Verb != Put {
			continue
		}
		value, err := Encode(op.Object)
		if err != nil {
			return nil, err
		}
		if err := readable(op, value); err != nil {
			return nil, err
		}
		if total += len(value); total > MaxBytes {
			return nil, fmt.Errorf("more than %d bytes: %w", MaxBytes, ErrTooLarge)
		}
		values[i] = value
	}
	return values, nil
}

// readable looks whether what others have a say in can be read again: users, nodes and
// their containers. A task is all of the scheduler's making, and there are many.
func readable(op Op, value []byte) error {
	if op.Kind == api.KindTask {
		return nil
	}
	if _, err := Decode(op.Kind, 0, value); err != nil {
		return fmt.Errorf("%s %s: %w: %w", op.Kind, op.ID, ErrUnreadable, err)
	}
	return nil
}

// Resolved is a Tx held against a snapshot, for implementations.
type Resolved struct {
	// Ops are the transaction's. Those that touch a name have an exact Version,
	// that of the snapshot, although Any was asked for: what becomes of the name
	// depends on what was there.
	Ops []Op
	// Names are the changes of who has which name, in the order of Ops.
	Names []Name
}

// Name says that a name changes hands.
type Name struct {
	Kind api.Kind
	Name string
	// From and To are the IDs of the owners, "" for none. Never the same.
	From, To string
}

// Resolve says what a commit of tx on the snapshot would do, or why it would
// fail: ErrConflict or ErrNameTaken. An implementation whose snapshot may be
// old must make sure of both answers.
func (tx *Tx) Resolve(snapshot *Snapshot) (Resolved, error) {
	r := Resolved{Ops: make([]Op, len(tx.ops))}
	names := nameChanges{of: make(map[nameKey]int)}
	for i, op := range tx.ops {
		old := snapshot.table(op.Kind).get(op.ID)
		version := int64(0)
		if old != nil {
			version = old.Header().Version
		}
		if op.Version != Any && op.Version != version {
			return Resolved{}, fmt.Errorf("%s %s: %w", op.Kind, op.ID, ErrConflict)
		}
		if named[op.Kind] && op.Verb != Require {
			op.Version = version
			names.move(op, old)
		}
		r.Ops[i] = op
	}
	for _, change := range names.list {
		if names.twice[nameKey{change.Kind, change.Name}] || change.To != "" && change.From == "" && snapshot.hasName(change.Kind, change.Name) {
			return Resolved{}, fmt.Errorf("%s %q: %w", change.Kind, change.Name, ErrNameTaken)
		}
		if change.From != change.To {
			r.Names = append(r.Names, change)
		}
	}
	return r, nil
}

type nameKey struct {
	kind api.Kind
	name string
}

// nameChanges collects what the operations of one transaction do to names: one
// may take a name that another gives up.
type nameChanges struct {
	of    map[nameKey]int
	list  []Name
	twice map[nameKey]bool
}

func (n *nameChanges) move(op Op, old api.Object) {
	if name := uniqueName(old); name != "" {
		n.at(op.Kind, name).From = op.ID
	}
	if name := uniqueName(op.Object); op.Verb == Put && name != "" {
		change := n.at(op.Kind, name)
		if change.To != "" {
			if n.twice == nil {
				n.twice = make(map[nameKey]bool)
			}
			n.twice[nameKey{op.Kind, name}] = true
		}
		change.To = op.ID
	}
}

func (n *nameChanges) at(kind api.Kind, name string) *Name {
	key := nameKey{kind, name}
	i, found := n.of[key]
	if !found {
		i = len(n.list)
		n.of[key] = i
		n.list = append(n.list, Name{Kind: kind, Name: name})
	}
	return &n.list[i]
}

func uniqueName(object api.Object) string {
	if named, ok := object.(api.Named); ok {
		return named.UniqueName()
	}
	return ""
}

func (s *Snapshot) hasName(kind api.Kind, name string) bool {
	for range s.table(kind).find(ByName, name) {
		return true
	}
	return false
}

// known and named are the kinds that exist, and those whose names are unique.
var known, named = func() (map[api.Kind]bool, map[api.Kind]bool) {
	known, named := make(map[api.Kind]bool), make(map[api.Kind]bool)
	for _, kind := range api.Kinds {
		known[kind] = true
		_, named[kind] = api.NewObject(kind).(api.Named)
	}
	return known, named
}()

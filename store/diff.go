package store

import (
	"iter"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
)

// Diff returns what became different from old to new, by comparing all that is
// in them: kinds in the order of their names, objects in the order of their IDs.
// Two objects of the same version are the same.
func Diff(old, new *Snapshot) []Change {
	var changes []Change
	for _, kind := range kindsOf(old, new) {
		changes = diffTable(changes, kind, old.table(kind), new.table(kind))
	}
	return changes
}

func kindsOf(snapshots ...*Snapshot) []api.Kind {
	var kinds []api.Kind
	for _, s := range snapshots {
		for kind := range s.tables {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// diffTable merges two walks in the order of the IDs.
func diffTable(changes []Change, kind api.Kind, old, new table) []Change {
	if old.objects.root == new.objects.root {
		return changes
	}
	nextOld, stopOld := iter.Pull(old.all())
	defer stopOld()
	nextNew, stopNew := iter.Pull(new.all())
	defer stopNew()
	was, more := nextOld()
	is, still := nextNew()
	for more || still {
		order := 0
		switch {
		case !still:
			order = -1
		case !more:
			order = 1
		default:
			order = strings.Compare(was.Header().ID, is.Header().ID)
		}
		change := Change{Kind: kind}
		if order <= 0 {
			change.ID, change.Old = was.Header().ID, was
			was, more = nextOld()
		}
		if order >= 0 {
			change.ID, change.New = is.Header().ID, is
			is, still = nextNew()
		}
		if order != 0 || change.Old.Header().Version != change.New.Header().Version {
			changes = append(changes, change)
		}
	}
	return changes
}

// coalesce joins the changes of successive updates into one per object, in the
// order in which objects first changed.
func coalesce(updates [][]Change) []Change {
	if len(updates) == 1 {
		return updates[0]
	}
	type key struct {
		kind api.Kind
		id   string
	}
	at := make(map[key]int)
	var all []Change
	for _, changes := range updates {
		for _, change := range changes {
			k := key{change.Kind, change.ID}
			if i, found := at[k]; found {
				all[i].New = change.New
				continue
			}
			at[k] = len(all)
			all = append(all, change)
		}
	}
	return slices.DeleteFunc(all, func(c Change) bool { return c.Old == nil && c.New == nil })
}

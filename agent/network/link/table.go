package link

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// entry is one fact that the kernel holds of a namespace, or is to hold: an address,
// a neighbour, a forward, a route, a setting. Entries are comparable.
type entry interface {
	// key is what the kernel knows it by. Setting replaces what has the same key.
	key() any
	// rank orders them: what others need comes first.
	rank() int
	// set makes it so, whatever was there before. It disturbs no traffic if it was so
	// already.
	set(*space) error
	// unset undoes it. What is gone already is no error.
	unset(*space) error
}

// table is a set of entries, by key.
type table map[any]entry

func tableOf(entries ...entry) table {
	t := make(table, len(entries))
	t.add(entries...)
	return t
}

func (t table) add(entries ...entry) {
	for _, each := range entries {
		t[each.key()] = each
	}
}

// plus is both together.
func (t table) plus(others ...table) table {
	sum := make(table, len(t))
	maps.Copy(sum, t)
	for _, each := range others {
		maps.Copy(sum, each)
	}
	return sum
}

// diff says what turns have into want: missing entries in the order they are set in,
// those too many in the order they go.
func diff(have, want table) (missing, extra []entry) {
	for key, each := range want {
		if have[key] != each {
			missing = append(missing, each)
		}
	}
	for key, each := range have {
		if _, wanted := want[key]; !wanted {
			extra = append(extra, each)
		}
	}
	slices.SortFunc(missing, func(a, b entry) int { return cmp.Compare(a.rank(), b.rank()) })
	slices.SortFunc(extra, func(a, b entry) int { return cmp.Compare(b.rank(), a.rank()) })
	return missing, extra
}

// settle makes the kernel have what is wanted on the links that mine names, and
// nothing else there. It looks again after it wrote: the kernel removes entries along
// with others (with a link's last address, all its routes).
func (s *space) settle(mine func(link string) bool, want table) error {
	const rounds = 3
	for round := 0; ; round++ {
		have, err := s.read(mine, want)
		if err != nil {
			return err
		}
		missing, extra := diff(have, want)
		if len(missing)+len(extra) == 0 {
			return nil
		}
		if round == rounds {
			return fmt.Errorf("somebody else keeps changing it: %v", append(missing, extra...)[0])
		}
		if err := s.update(have, want); err != nil {
			return err
		}
	}
}

// update turns have into want. One entry's failure does not keep it from the others;
// the first error is returned.
//
// What is new is set before what is old goes, and replaces what has the same key: an
// address that moves is reachable all the time.
func (s *space) update(have, want table) error {
	missing, extra := diff(have, want)
	var first error
	failures := 0
	note := func(what string, each entry, err error) {
		if err == nil {
			return
		}
		if failures++; first == nil {
			first = fmt.Errorf("%s %v: %w", what, each, err)
		}
	}
	for _, each := range missing {
		if many, are := have[each.key()].(*crowd); are {
			note("remove", many, many.unset(s))
		}
		note("set", each, each.set(s))
	}
	for _, each := range extra {
		note("remove", each, each.unset(s))
	}
	if failures > 1 {
		return fmt.Errorf("%w (and %d more like it)", first, failures-1)
	}
	return first
}

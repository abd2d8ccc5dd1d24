package rules

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
)

// repair is what is wrong with a table, and what mends it.
type repair struct {
	reasons []string // in words; none: all is well
	whole   bool     // it has to be written from the start
	change
	dropped   []string // sets, by name: those that are not orc's
	defined   []set    // those that are missing
	redefined []set    // those that are other ones
	deleted   []string // chains, by name
	made      []string
	rewritten []string // those whose rules are not orc's
}

// diagnose compares what was read with what is meant.
func diagnose(sets []set, found reading, c content, chains map[string]chain) (repair, error) {
	r := repair{}
	if found.sets == nil {
		r.whole = true
		r.note("there is no table")
		return r, nil
	}
	r.diagnoseSets(sets, found)
	r.change = compare(sets, content{sets: found.elements}, c)
	for _, set := range sets {
		missing := len(without(c.sets[set.name], found.elements[set.name]))
		guests := len(without(found.elements[set.name], c.sets[set.name]))
		if missing+guests > 0 && !named(r.defined, set.name) && !named(r.redefined, set.name) {
			r.note("set %s: %d elements are missing or changed, %d are changed or not orc's", set.name, missing, guests)
		}
	}
	r.diagnoseChains(found, chains)
	for name, chain := range chains {
		same, err := sameRules(chain.rules, found.rules[name])
		if err != nil {
			return r, fmt.Errorf("compare rules of chain %s: %w", name, err)
		}
		if slices.Contains(r.made, name) {
			continue
		}
		if !same {
			r.note("chain %s: its rules have changed", name)
		}
		if !same || len(r.redefined) > 0 { // it may look into one of these
			r.rewritten = append(r.rewritten, name)
		}
	}
	slices.Sort(r.reasons)
	return r, nil
}

func (r *repair) note(format string, about ...any) {
	r.reasons = append(r.reasons, fmt.Sprintf(format, about...))
}

// diagnoseSets looks for each set, and for others. What another one has is of no use.
func (r *repair) diagnoseSets(sets []set, found reading) {
	left := maps.Clone(found.sets)
	for _, set := range sets {
		f, there := left[set.name]
		delete(left, set.name)
		switch {
		case !there:
			r.note("set %s is missing", set.name)
			r.defined = append(r.defined, set)
		case !set.definedAs(f):
			r.note("set %s is another one", set.name)
			r.redefined = append(r.redefined, set)
			delete(found.elements, set.name)
		}
	}
	for name, guest := range left {
		if !guest.Anonymous { // those go with their rule
			r.note("set %s is not orc's", name)
			r.dropped = append(r.dropped, name)
		}
	}
}

// diagnoseChains looks for each chain and its place, and for others.
func (r *repair) diagnoseChains(found reading, meant map[string]chain) {
	for name, chain := range meant {
		f, there := found.chains[name]
		switch {
		case !there:
			r.note("chain %s is missing", name)
			r.made = append(r.made, name)
		case !sameBase(chain.base, f):
			r.note("chain %s is in another place", name)
			r.deleted, r.made = append(r.deleted, name), append(r.made, name)
		}
	}
	for name := range found.chains {
		if _, known := meant[name]; !known {
			r.note("chain %s is not orc's", name)
			r.deleted = append(r.deleted, name)
		}
	}
}

func sameBase(meant *base, found *nftables.Chain) bool {
	if meant == nil || found.Hooknum == nil {
		return meant == nil && found.Hooknum == nil
	}
	return found.Type == meant.kind && *found.Hooknum == *meant.hook && *found.Priority == *meant.priority &&
		found.Policy != nil && *found.Policy == meant.policy
}

// early is what of a repair can be done ahead: sets that are missing, and the chains that
// their elements may lead to. The kernel gives a new set of intervals its elements only
// some time after it has let rules look into it; so rules come to it later.
func (r repair) early(chains map[string]chain) repair {
	if len(r.redefined) > 0 {
		return repair{} // a chain may look into one of these
	}
	e := repair{defined: r.defined, change: change{added: make(map[string]elements)}}
	for _, set := range r.defined {
		e.added[set.name] = r.added[set.name]
	}
	for _, name := range r.made {
		if chains[name].base == nil && !slices.Contains(r.deleted, name) {
			e.made = append(e.made, name)
		}
	}
	return e
}

// late is what is left of it.
func (r repair) late(e repair) repair {
	r.defined = slices.DeleteFunc(slices.Clone(r.defined), func(s set) bool { return named(e.defined, s.name) })
	r.made = slices.DeleteFunc(slices.Clone(r.made), func(name string) bool { return slices.Contains(e.made, name) })
	r.added = maps.Clone(r.added)
	maps.DeleteFunc(r.added, func(name string, _ elements) bool { return named(e.defined, name) })
	return r
}

// restore reads the table, mends it if it has to be, and returns what was wrong.
func (s *space) restore(c content, chains map[string]chain) ([]string, error) {
	chains = maps.Clone(chains)
	for class := range c.classes {
		chains[class.chain()] = chain{rules: class.rules()}
	}
	found, err := s.read()
	if err != nil {
		return nil, err
	}
	r, err := diagnose(s.sets, found, c, chains)
	if err != nil || len(r.reasons) == 0 {
		return nil, err
	}
	if !r.whole {
		if err := s.mend(r, chains); err == nil {
			return r.reasons, nil
		}
		// It may have changed again since it was read.
	}
	return r.reasons, s.replace(c, chains)
}

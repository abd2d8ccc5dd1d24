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
	guests    []*nftables.Set // sets that are not orc's
	deleted   []string        // chains, by name
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
	if r.whole {
		return r, nil
	}
	r.change = compare(sets, content{sets: found.elements}, c)
	for _, set := range sets {
		missing := len(without(c.sets[set.name], found.elements[set.name]))
		guests := len(without(found.elements[set.name], c.sets[set.name]))
		if missing+guests > 0 {
			r.note("set %s: %d elements are missing or changed, %d are changed or not orc's", set.name, missing, guests)
		}
	}
	r.diagnoseChains(found, chains)
	for name, chain := range chains {
		same, err := sameRules(chain.rules, found.rules[name])
		if err != nil {
			return r, fmt.Errorf("compare rules of chain %s: %w", name, err)
		}
		if !same && !slices.Contains(r.made, name) {
			r.note("chain %s: its rules have changed", name)
			r.rewritten = append(r.rewritten, name)
		}
	}
	slices.Sort(r.reasons)
	return r, nil
}

func (r *repair) note(format string, about ...any) {
	r.reasons = append(r.reasons, fmt.Sprintf(format, about...))
}

// diagnoseSets looks for each set, and for others. A set that is missing takes the
// rules that look into it along: all is written anew.
func (r *repair) diagnoseSets(sets []set, found reading) {
	left := maps.Clone(found.sets)
	for _, set := range sets {
		f, there := left[set.name]
		delete(left, set.name)
		m := set.define(nil)
		switch {
		case !there:
			r.whole = true
			r.note("set %s is missing", set.name)
		case f.IsMap != m.IsMap || f.Interval != m.Interval || f.Concatenation != m.Concatenation:
			r.whole = true
			r.note("set %s is another one", set.name)
		}
	}
	for name, guest := range left {
		if !guest.Anonymous { // those go with their rule
			r.note("set %s is not orc's", name)
			r.guests = append(r.guests, guest)
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

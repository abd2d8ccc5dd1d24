package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tally is what a manager has acknowledged.
type Tally struct{ Writes, Reads int }

func (t Tally) String() string { return fmt.Sprintf("%d+%d", t.Writes, t.Reads) }

// tally counts by manager what was done for clients. What may have been done, or was
// refused, does not count: a manager that acknowledges nothing breaks no promise of a
// register's.
func tally(history []Operation) map[string]Tally {
	all := make(map[string]Tally)
	for _, o := range history {
		if o.Outcome != Done || o.Manager == "" {
			continue
		}
		t := all[o.Manager]
		if o.Verb == Read {
			t.Reads++
		} else {
			t.Writes++
		}
		all[o.Manager] = t
	}
	return all
}

// told is a line of tallies.
func told(all map[string]Tally) string {
	var text []string
	for _, manager := range slices.Sorted(maps.Keys(all)) {
		text = append(text, manager+" "+all[manager].String())
	}
	return strings.Join(text, ", ")
}

package chaos

import (
	"cmp"
	"slices"
	"time"
)

// value is one that a register may hold.
type value struct{ key, value string }

// certain takes out of a history what is not known though it could be, for each
// operation that may or may not have been done doubles the work of the check.
//
// An operation of unknown outcome whose value was seen has been done, and before the
// one who saw it had an answer, if no other wrote that value. One whose value nobody saw
// might as well not have been done, unless it is why swaps were refused. For that one of
// those that would have changed the same value is enough, the first, and another after
// each restore, which may bring the value back; but not of a value that others bring
// back too.
func certain(history []Operation) []Operation {
	history = slices.Clone(history)
	slices.SortStableFunc(history, func(a, b Operation) int { return cmp.Compare(a.Call, b.Call) })
	seen, again, enough := sightings(history), recurring(history), 1+restores(history)
	suspects := make(map[value]int)
	var kept []Operation
	for _, o := range history {
		if o.Verb == Read && o.Outcome != Done {
			continue
		}
		if o.Outcome == Unknown {
			what, from := value{o.Key, o.Value}, value{o.Key, o.Old}
			by, found := seen[what]
			switch {
			case found && !again[what]:
				o.Outcome, o.Return = Done, by
			case !found && !mayRefuse(history, o):
				continue
			case again[from]:
			case suspects[from] == enough:
				continue
			default:
				suspects[from]++
			}
		}
		kept = append(kept, o)
	}
	return kept
}

// recurring are values that are not written once, by one operation. Every register may be
// absent, as it once was.
func recurring(history []Operation) map[value]bool {
	written, again := make(map[value]bool), make(map[value]bool)
	for _, o := range history {
		if o.Verb == Write || o.Verb == Swap {
			what := value{o.Key, o.Value}
			again[what] = written[what]
			written[what] = true
		}
		again[value{o.Key, absent}] = true
	}
	return again
}

// sightings are when those who were the first to see a value had their answers.
// Who swaps a value has read it before.
func sightings(history []Operation) map[value]time.Duration {
	seen := make(map[value]time.Duration)
	for _, o := range history {
		what := value{o.Key, o.Old}
		switch {
		case o.Verb == Read && o.Outcome == Done:
			what.value = o.Value
		case o.Verb != Swap:
			continue
		}
		if by, found := seen[what]; !found || o.Return < by {
			seen[what] = o.Return
		}
	}
	return seen
}

// restores is how often a register was restored at most.
func restores(history []Operation) int {
	most, of := 0, make(map[string]int)
	for _, o := range history {
		if o.Verb == Restore {
			of[o.Key]++
			most = max(most, of[o.Key])
		}
	}
	return most
}

// mayRefuse says whether an operation, of which nobody saw the value, may be why a
// swap was refused. A swap of another value than it had would be refused without it.
func mayRefuse(history []Operation, lost Operation) bool {
	for _, o := range history {
		if o.Key == lost.Key && o.Outcome == Refused && o.Return > lost.Call && (lost.Verb == Write || lost.Old == o.Old) {
			return true
		}
	}
	return false
}

package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkTime is how long the check of a history may take. It is exponential in how
// many operations overlap at worst; a round's histories take milliseconds.
const checkTime = time.Minute

// register is the model's state: a value, and what the last snapshot has of it. When it
// is over, what may have been done has not been: before, it is not to be taken for that
// at any time, or each such operation would double the work.
type register struct {
	value, saved string
	over         bool
}

// model says what a register may do. A restore takes it back to the snapshot: no
// more and no less may be lost.
var model = porcupine.Model{
	Partition: perKey,
	Init:      func() any { return register{} },
	Step: func(state, input, _ any) (bool, any) {
		return step(state.(register), input.(Operation))
	},
	DescribeOperation: func(input, _ any) string { return input.(Operation).String() },
	DescribeState:     func(state any) string { return state.(register).value },
}

func step(r register, o Operation) (bool, register) {
	if o.Outcome == Unwritten || o.Outcome == Unknown && r.over {
		return true, r
	}
	switch o.Verb {
	case Read:
		return r.value == o.Value, r
	case Write:
		r.value = o.Value
	case Swap:
		holds := r.value == o.Old
		if o.Outcome == Refused {
			return !holds, r
		}
		if holds {
			r.value = o.Value
		}
		return holds, r
	case Save:
		r.saved = r.value
	case Restore:
		r.value = r.saved
	case over:
		r.over = true
	}
	return true, r
}

// Linearizable says whether there is an order of the operations, each between its
// call and its return, that a single register per key could have seen. If there is
// none the error is a *Violation, and file, unless it is empty, gets a page that
// shows where the order breaks.
func Linearizable(history []Operation, file string) error {
	result, info := porcupine.CheckOperationsVerbose(model, translate(certain(history)), checkTime)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("the history of %d operations could not be checked within %s", len(history), checkTime)
	}
	violation := violationf("linearizability", "no order of the operations on %q explains what was read", broken(history))
	if file == "" {
		return violation
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("%w (and it cannot be shown: %w)", violation, err)
	}
	defer out.Close()
	if err := porcupine.Visualize(model, info, out); err != nil {
		return fmt.Errorf("%w (and it cannot be shown: %w)", violation, err)
	}
	return violation
}

// broken names a key that has no order by itself.
func broken(history []Operation) string {
	byKey := make(map[string][]Operation)
	for _, o := range certain(history) {
		byKey[o.Key] = append(byKey[o.Key], o)
	}
	for key, of := range byKey {
		if porcupine.CheckOperationsTimeout(model, translate(of), checkTime) == porcupine.Illegal {
			return key
		}
	}
	return ""
}

// translate adds to each key's operations that they are over.
func translate(history []Operation) []porcupine.Operation {
	last, keys := time.Duration(0), make(map[string]bool)
	for _, o := range history {
		last, keys[o.Key] = max(last, o.Call), true
		if o.Return != never {
			last = max(last, o.Return)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		history = append(history, Operation{Key: key, Verb: over, Call: last + 1, Return: last + 2, Outcome: Done})
	}
	operations := make([]porcupine.Operation, len(history))
	for i, o := range history {
		operations[i] = porcupine.Operation{ClientId: o.Client, Input: o, Call: int64(o.Call), Return: int64(o.Return)}
	}
	return operations
}

func perKey(history []porcupine.Operation) [][]porcupine.Operation {
	byKey := make(map[string][]porcupine.Operation)
	for _, o := range history {
		key := o.Input.(Operation).Key
		byKey[key] = append(byKey[key], o)
	}
	var parts [][]porcupine.Operation
	for _, part := range byKey {
		parts = append(parts, part)
	}
	slices.SortFunc(parts, func(a, b []porcupine.Operation) int {
		return cmp.Compare(a[0].Input.(Operation).Key, b[0].Input.(Operation).Key)
	})
	return parts
}

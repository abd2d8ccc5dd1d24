package chaos

import (
	"slices"
	"time"
)

// lateTime is how long after the end of a round a write may still be done whose client
// had no answer: that is as long as a manager tries, and a little.
const lateTime = 35 * time.Second

// lateScales are the numbers of replicas that were on their way when a round ended, of
// the register that is none of a round's own.
type lateScales struct{ late []lateScale }

type lateScale struct {
	value string
	until time.Time
}

// add takes what is open at a round's end.
func (l *lateScales) add(history []Operation) {
	until := time.Now().Add(lateTime)
	for _, o := range history {
		if o.Key == wave && o.Verb == Write && o.Outcome == Unknown {
			l.late = append(l.late, lateScale{o.Value, until})
		}
	}
}

// at forgets what cannot come any more, and returns the others.
func (l *lateScales) at(now time.Time) []string {
	l.late = slices.DeleteFunc(l.late, func(each lateScale) bool { return !now.Before(each.until) })
	var values []string
	for _, each := range l.late {
		values = append(values, each.value)
	}
	return values
}

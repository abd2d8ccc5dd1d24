package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"
)

// Verb is what an operation does to a register.
type Verb string

// The verbs.
const (
	Write   Verb = "write"   // of a new value, whatever was there
	Read    Verb = "read"    // of what every acknowledged write before it left
	Swap    Verb = "swap"    // of a new value if the present one is Old
	Save    Verb = "save"    // a snapshot of the database
	Restore Verb = "restore" // of the last snapshot
	over    Verb = "over"    // for the check alone: the end of all that is known
)

// Outcome is what is known of an operation's end.
type Outcome string

// The outcomes.
const (
	Done      Outcome = "done"
	Refused   Outcome = "refused"   // for certain not done: Old was not the value
	Unwritten Outcome = "unwritten" // for certain not done, whatever the value
	Unknown   Outcome = "unknown"   // it may have been done, or be done later
)

// absent is the value of a register whose object is not there.
const absent = ""

// Operation is one request of a client. Values are never written twice, so that
// what is read says by whom it was written.
type Operation struct {
	Client  int           `json:"client"`
	Manager string        `json:"manager,omitempty"`
	Key     string        `json:"key"`
	Verb    Verb          `json:"verb"`
	Old     string        `json:"old,omitempty"`
	Value   string        `json:"value,omitempty"` // written or read
	Call    time.Duration `json:"call"`            // since the run began
	Return  time.Duration `json:"return"`
	Outcome Outcome       `json:"outcome"`
	Error   string        `json:"error,omitempty"`
}

// never is when an operation of unknown outcome returns.
const never = time.Duration(math.MaxInt64)

func (o Operation) String() string {
	text := fmt.Sprintf("%s %s", o.Verb, o.Value)
	if o.Verb == Swap {
		text = fmt.Sprintf("swap %s → %s", o.Old, o.Value)
	}
	if o.Outcome != Done {
		text += " (" + string(o.Outcome) + ")"
	}
	return text
}

// History collects operations. It is safe for several goroutines.
type History struct {
	began time.Time
	mu    sync.Mutex
	done  []Operation
}

// NewHistory is empty; its clock starts now.
func NewHistory() *History { return &History{began: time.Now()} }

// Now is the time on the history's clock.
func (h *History) Now() time.Duration { return time.Since(h.began) }

// Add takes an operation that has ended.
func (h *History) Add(o Operation) {
	if o.Outcome == Unknown {
		o.Return = never
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, o)
}

// Operations are those so far.
func (h *History) Operations() []Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.done)
}

// WriteTo writes a JSON object per line, in the order of calls.
func (h *History) WriteTo(out io.Writer) (int64, error) {
	all := h.Operations()
	slices.SortStableFunc(all, func(a, b Operation) int { return int(a.Call - b.Call) })
	var total int64
	for _, each := range all {
		line, err := json.Marshal(each)
		if err != nil {
			return total, err
		}
		n, err := out.Write(append(line, '\n'))
		if total += int64(n); err != nil {
			return total, err
		}
	}
	return total, nil
}

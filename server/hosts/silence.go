package hosts

import "time"

// Silence is how long a node may be silent: a vigil takes a third of that to find that
// its host is gone, for who allows more wants more patience.
type Silence time.Duration

const (
	// misses is how often in a row a host must not answer. One that is there and loses
	// 30 % of its packets each way does that once in fifty thousand times.
	misses = 16
	// heldUp is how many questions late this process may be before it cannot say what
	// came and what did not.
	heldUp = 5
)

// every is the time between two questions: 40 ms with a silence of 3 s.
func (s Silence) every() time.Duration { return time.Duration(s) / 75 }

// late is how long an answer may take, for queues on the way may be full: 400 ms.
func (s Silence) late() time.Duration { return time.Duration(s) * 2 / 15 }

// prompt is how long it may take when all is well: 100 ms. A host that is further away
// could be taken for gone too easily.
func (s Silence) prompt() time.Duration { return s.late() / 4 }

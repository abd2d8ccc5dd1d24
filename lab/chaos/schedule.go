package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Event is a fault that is to come.
type Event struct {
	At    time.Duration `json:"at"` // since the round's traffic began
	Hold  time.Duration `json:"hold"`
	Fault string        `json:"fault"`
	// Role and Pick say which node: that of number Pick, counted round, of those in
	// the role which are well.
	Role Role `json:"role"`
	Pick int  `json:"pick"`
	// Sure is for one that any other node will do that the fault is for, if there is none
	// in the role.
	Sure bool `json:"sure,omitempty"`
}

func (e Event) String() string {
	return fmt.Sprintf("%.1fs %s %s", e.At.Seconds(), e.Fault, e.Role)
}

// script is a round of the tests': what brings out a planted bug.
type script struct {
	faults []Event
	// begin is called before the faults, end after them; either may be nil.
	begin, end func(context.Context, *round) error
	// still leaves the services as they are, quiet the registers.
	still, quiet bool
}

// Shape says what a round may be like.
type Shape struct {
	Faults []string // that may be drawn
	Sure   []string // that happen, whatever is drawn
	Roles  []Role   // that there are
	// Most is how many faults a round has at most, Span the time in which they begin.
	Most int
	Span time.Duration
}

// Draw plans a round. It is the same for the same randomness and shape.
func Draw(random *rand.Rand, shape Shape) []Event {
	var urn []Fault
	for _, name := range shape.Faults {
		for range Faults[name].Weight {
			urn = append(urn, Faults[name])
		}
	}
	events := make([]Event, max(1+random.IntN(shape.Most), len(shape.Sure)))
	for i := range events {
		fault := urn[random.IntN(len(urn))]
		if i < len(shape.Sure) {
			fault = Faults[shape.Sure[i]]
		}
		roles := slices.DeleteFunc(slices.Clone(shape.Roles), func(r Role) bool { return !fault.On.includes(r) })
		events[i] = Event{
			At:    between(random, 0, shape.Span),
			Hold:  between(random, fault.Hold[0], fault.Hold[1]),
			Fault: fault.Name,
			Role:  roles[random.IntN(len(roles))],
			Pick:  random.IntN(60),
			Sure:  i < len(shape.Sure),
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return int(a.At - b.At) })
	return events
}

// sureInRound is how many faults happen for sure in a round of a run that is to have
// each.
const sureInRound = 2

// deal gives each round its hand of all faults, shuffled as the seed says; it begins anew
// when all have been dealt.
func deal(seed uint64, faults []string, round int) []string {
	deck := slices.Clone(faults)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	var hand []string
	for i := range sureInRound {
		hand = append(hand, deck[(round*sureInRound+i)%len(deck)])
	}
	return hand
}

// between rounds to a tenth of a second: a schedule is for people too.
func between(random *rand.Rand, least, most time.Duration) time.Duration {
	const unit = 100 * time.Millisecond
	if most <= least {
		return least
	}
	return least + time.Duration(random.Int64N(int64((most-least)/unit)+1))*unit
}

package session

import (
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

const (
	// beats is how many heartbeats fit into a session's timeout.
	beats = 3
	// gapPerNode makes room for a message to every node and its answer, and for more than as
	// much else.
	gapPerNode = 200 * time.Microsecond
	// leastGap is what a smaller one is not worth waiting.
	leastGap = 5 * time.Millisecond
	// beatsPerSecond is how many heartbeats of all nodes together there are in each
	// direction at most: they cost a manager some 50 µs a pair. In a cluster with more
	// nodes than that allows each has fewer, as Nomad's clients do; that a host is gone
	// is then for the kernels to find out (api/wire/tcp).
	beatsPerSecond = 500
)

// together is the time between the moments at which heartbeats go out: those of many
// sessions at one moment, which the nodes answer at once. A manager that sends and hears
// one at a time is woken a thousand times a second, which costs it more than the
// heartbeats do.
const together = 50 * time.Millisecond

// next is how long it is to a session's next heartbeat: as long as the pace has it, or
// a moment less.
func (p pace) next(now time.Time) time.Duration {
	if p.beat < 2*together {
		return p.beat
	}
	return now.Add(p.beat).Truncate(together).Sub(now.Round(0))
}

// renewalsPerSecond is how many nodes renew their certificates a second when all have to
// at once, for the CA's root is another: a handshake, a signature and a write each.
const renewalsPerSecond = 200

func renewWithin(snapshot *store.Snapshot) time.Duration {
	return time.Duration(heardOf(snapshot)) * time.Second / renewalsPerSecond
}

// heardOf is how many nodes there are to reckon with: who joined and never came asks
// for nothing.
func heardOf(snapshot *store.Snapshot) int { return store.Count[api.NodeStatus](snapshot) }

// pace is how the two ends of a session know that the other is there.
type pace struct {
	beat    time.Duration // how often either sends something
	timeout time.Duration // how long either may send nothing
	host    time.Duration // how long its kernel may; 0 is as long as timeout
	// gap is how long the manager waits from one message to the next, for what it has
	// to tell meanwhile to come together: what concerns all is told to all.
	gap time.Duration
}

// paceOf is the pace of sessions that begin now.
func paceOf(snapshot *store.Snapshot) pace {
	timeout, nodes := NodeTimeout(snapshot), time.Duration(heardOf(snapshot))
	p := pace{beat: timeout / beats, timeout: timeout, gap: nodes * gapPerNode}
	if p.gap < leastGap {
		p.gap = 0
	}
	if least := nodes * time.Second / beatsPerSecond; least > p.beat {
		p.beat, p.timeout, p.host = least, beats*least, timeout
	}
	return p
}

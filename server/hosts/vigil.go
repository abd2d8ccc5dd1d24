package hosts

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Vigil asks a host over and over whether it is there, since it lost its connection.
//
// It is for hosts that are known to answer: many a firewall drops such questions. And it
// goes by what others say to the same questions: a miss counts when a witness, another
// host, did answer then, and this process was not held up meanwhile. So neither a cable
// that is out here nor a processor that others have takes a host for gone.
type Vigil struct {
	Ask     Ask
	Host    netip.Addr
	Silence Silence
	// Witnesses are other hosts, those that are likely to answer first.
	Witnesses []netip.Addr
	// Sound says whether this process can be believed just now.
	Sound func() bool
	// Over says that nobody wants to know any more.
	Over func() bool
}

// Gone blocks until the host is found to be gone, or the vigil is over.
func (v *Vigil) Gone(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	ticker := time.NewTicker(v.Silence.every())
	defer ticker.Stop()
	answers := make(chan answer)
	t, last := tally{silence: v.Silence}, time.Now()
	for !v.Over() && len(v.Witnesses) > 0 {
		now := time.Now()
		if now.Sub(last) > heldUp*v.Silence.every() || !v.Sound() {
			t.anew()
		}
		last = now
		number, witness := t.next(), v.Witnesses[t.witness%len(v.Witnesses)]
		asking.Go(func() {
			select {
			case answers <- v.ask(ctx, number, witness):
			case <-ctx.Done():
			}
		})
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return false
			case <-ticker.C:
				waiting = false
			case a := <-answers:
				if t.add(a); t.missed >= misses {
					return v.Sound()
				}
			}
		}
	}
	return false
}

// ask asks the host and a witness the same question.
func (v *Vigil) ask(ctx context.Context, number int, witness netip.Addr) answer {
	a := answer{number: number}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, v.Silence.late())
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { a.witness = v.Ask(ctx, witness) })
	a.host = v.Ask(ctx, v.Host)
	both.Wait()
	a.took = time.Since(began)
	return a
}

// answer is what came of one question.
type answer struct {
	number        int
	host, witness error
	took          time.Duration
}

// tally counts how often in a row the host did not answer.
type tally struct {
	silence Silence
	asked   int // questions
	from    int // the first one that counts
	missed  int
	witness int // which one is asked now
	since   int // the first question that it was asked
}

func (t *tally) next() int {
	t.asked++
	return t.asked - 1
}

// anew lets nothing count that was asked so far.
func (t *tally) anew() { t.from, t.missed = t.asked, 0 }

func (t *tally) add(a answer) {
	if a.host == nil {
		t.anew()
		return
	}
	if a.witness != nil {
		if a.number >= t.since { // another one may know
			t.witness++
			t.since = t.asked
		}
		return
	}
	punctual := a.took <= t.silence.late()+heldUp*t.silence.every()
	if a.number >= t.from && punctual && errors.Is(a.host, ErrSilent) {
		t.missed++
	}
}

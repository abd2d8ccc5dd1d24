package chaos

import (
	"context"
	"sync"
	"time"

	"github.com/orc-project/orc/sleep"
)

// answerLimit is how long a manager that is well, as are most, may acknowledge no write
// though clients ask for some all the time: an election takes up to 2 s, a process that
// was just begun as long, and a client that it has let wait comes again after 3 s.
const answerLimit = 10 * time.Second

// pulse knows on the suite's clock when each manager acknowledged a write last.
type pulse struct {
	health *health
	clock  clock

	mu      sync.Mutex
	beats   map[string]time.Duration
	longest time.Duration // that one was silent though it could answer
}

func newPulse(health *health, clock clock) *pulse {
	return &pulse{health: health, clock: clock, beats: make(map[string]time.Duration)}
}

// beat tells that a manager has acknowledged a write.
func (p *pulse) beat(manager string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats[manager] = p.clock.Now()
}

// watch begins with the clients' first requests. It returns a *Violation when a manager is
// silent for too long, or nil when ctx ends.
func (p *pulse) watch(ctx context.Context) error {
	for _, manager := range p.health.managers {
		p.beat(manager)
	}
	for sleep.For(ctx, lookEvery) == nil {
		if err := p.check(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pulse) check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, manager := range p.health.managers {
		since, well := p.health.since(manager)
		if !well {
			continue
		}
		silent := p.clock.Now() - max(since, p.beats[manager])
		p.longest = max(p.longest, silent)
		if silent > answerLimit {
			return violationf("liveness", "manager %s has acknowledged no write for %s, and it and most managers have been well that long",
				manager, silent.Round(10*time.Millisecond))
		}
	}
	return nil
}

// silence is the longest so far.
func (p *pulse) silence() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.longest
}

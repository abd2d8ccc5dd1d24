package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/sleep"
)

const (
	// operationTime is how long a client waits for an answer.
	operationTime = 3 * time.Second
	// A client rests between two requests, and longer after one that failed.
	rest, restAfterError = 10 * time.Millisecond, 200 * time.Millisecond
)

// Register is a kind of object of orc's that can be used as one: clients write
// values to it and read what is there.
type Register interface {
	// Keys are the names of the objects, which Make has made with the value of
	// their name.
	Keys() []string
	Make(context.Context, *client.Client) error
	// Set changes what a key holds, and returns what it did. With an error that is
	// what was tried.
	Set(ctx context.Context, c *client.Client, key, value string) (Operation, error)
	// Get reads a key in such a way that everything acknowledged before is seen.
	Get(ctx context.Context, c *client.Client, key string) (Operation, error)
	Remove(ctx context.Context, c *client.Client) error
}

// traffic lets clients use registers, each through one manager.
type traffic struct {
	cluster   *Cluster
	history   *History
	registers []Register
	pulse     *pulse
	values    atomic.Int64 // so that none is written twice
}

// run has two clients per manager and register at work until ctx ends.
func (t *traffic) run(ctx context.Context, seed [2]uint64) {
	var clients sync.WaitGroup
	count := 0
	for _, register := range t.registers {
		for range 2 {
			for _, manager := range t.cluster.Managers() {
				count++
				number := count
				random := rand.New(rand.NewPCG(seed[0], seed[1]^uint64(number)<<32))
				clients.Go(func() { t.work(ctx, number, manager.Name(), register, random) })
			}
		}
	}
	clients.Wait()
}

func (t *traffic) work(ctx context.Context, number int, manager string, register Register, random *rand.Rand) {
	keys := register.Keys()
	for ctx.Err() == nil {
		key := keys[random.IntN(len(keys))]
		do := t.set
		if random.IntN(2) == 0 {
			do = t.get
		}
		pauseFor := rest
		if do(ctx, number, manager, register, key) != nil {
			pauseFor = restAfterError
		}
		if sleep.For(ctx, pauseFor) != nil {
			return
		}
	}
}

func (t *traffic) set(ctx context.Context, number int, manager string, register Register, key string) error {
	value := fmt.Sprintf("%d-%d", number, t.values.Add(1))
	return t.one(ctx, number, manager, key, func(ctx context.Context, c *client.Client) (Operation, error) {
		return register.Set(ctx, c, key, value)
	})
}

func (t *traffic) get(ctx context.Context, number int, manager string, register Register, key string) error {
	return t.one(ctx, number, manager, key, func(ctx context.Context, c *client.Client) (Operation, error) {
		return register.Get(ctx, c, key)
	})
}

// one does an operation and records it.
func (t *traffic) one(ctx context.Context, number int, manager, key string, do func(context.Context, *client.Client) (Operation, error)) error {
	call := t.history.Now()
	timed, cancel := context.WithTimeout(context.WithoutCancel(ctx), operationTime)
	defer cancel()
	o, err := do(timed, t.cluster.Client(manager))
	if errors.Is(err, errNotTried) {
		return err
	}
	o = judge(o, err)
	o.Client, o.Manager, o.Key, o.Call, o.Return = number, manager, key, call, t.history.Now()
	if err != nil {
		o.Error = err.Error()
	}
	t.history.Add(o)
	if o.Outcome == Done && o.Verb != Read {
		t.pulse.beat(manager)
	}
	return err
}

// errNotTried says that an operation did not come as far as changing anything.
var errNotTried = errors.New("not tried")

// judge says what an answer leaves known of an operation. An error that does not say
// for certain that nothing was written may come after a write all the same. That there is
// no object is as good as a read.
func judge(o Operation, err error) Operation {
	switch {
	case err == nil:
		o.Outcome = Done
	case api.ReasonOf(err) != api.ReasonUnwritten:
		o.Outcome = Unknown
	case o.Verb == Swap && (api.CodeOf(err) == api.CodeConflict || noSuch(err) && o.Value == absent):
		o.Outcome = Refused
	case noSuch(err):
		o.Verb, o.Old, o.Value, o.Outcome = Read, "", absent, Done
	default:
		o.Outcome = Unwritten
	}
	return o
}

// final reads every key through every manager, so that what is lost is seen. Then it
// writes through each, and reads that through another: a manager that only shows what
// it knows would do for the first. All must be acknowledged within the limit.
func (t *traffic) final(ctx context.Context, limit time.Duration) error {
	for _, register := range t.registers {
		for _, key := range register.Keys() {
			for _, step := range finalSteps(t.cluster.names()) {
				do := t.get
				if step.write {
					do = t.set
				}
				if err := again(ctx, t.cluster.pace, limit, func() error { return do(ctx, 0, step.manager, register, key) }); err != nil {
					return violationf("convergence", "after all has healed manager %s does not answer for %s: %v", step.manager, key, err)
				}
			}
		}
	}
	return nil
}

// finalStep is a request at the end of a round.
type finalStep struct {
	manager string
	write   bool
}

func finalSteps(managers []string) []finalStep {
	var steps []finalStep
	for _, manager := range managers {
		steps = append(steps, finalStep{manager, false})
	}
	for i, manager := range managers {
		steps = append(steps, finalStep{manager, true}, finalStep{managers[(i+1)%len(managers)], false})
	}
	return steps
}

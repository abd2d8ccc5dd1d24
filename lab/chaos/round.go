package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/sleep"
)

const (
	// leadIn and leadOut are how long there is traffic before the first fault and
	// after the cluster has settled.
	leadIn, leadOut = 500 * time.Millisecond, time.Second
	// configKeys, specKeys and mortalKeys are how many registers of each kind a round has.
	configKeys, specKeys, mortalKeys = 3, 2, 2
)

// round is one row of faults and what was seen meanwhile.
type round struct {
	*run
	number   int
	schedule []Event
	script   script // the zero one leaves all to chance
	history  *History
	traffic  *traffic
	nemesis  *nemesis
}

func (r *run) newRound(number int) (*round, *rand.Rand) {
	random := rand.New(rand.NewPCG(r.config.Seed, uint64(number)))
	shape := r.config.shape()
	if r.config.Each {
		shape.Sure = deal(r.config.Seed, shape.Faults, number)
	}
	n := &round{run: r, number: number, schedule: Draw(random, shape), history: NewHistory()}
	n.traffic = &traffic{cluster: r.cluster, history: n.history, pulse: newPulse(r.cluster.health, r.cluster.pace), registers: []Register{
		configs{keysOf("config", number, configKeys)}, specs{keysOf("spec", number, specKeys)},
		mortals{configs{keysOf("mortal", number, mortalKeys)}},
	}}
	n.nemesis = &nemesis{
		cluster: r.cluster, clock: n.history.Now, taken: make(map[string]bool),
		say: func(what string) { r.screen.line(n.history.Now(), what) },
	}
	if r.config.script != nil {
		n.script, n.schedule = *r.config.script, r.config.script.faults
	}
	r.cluster.journal = n.whole
	return n, random
}

// whole records something that is done to the whole database: to every register.
func (n *round) whole(verb Verb, do func() error) error {
	call := n.history.Now()
	if err := do(); err != nil {
		return err
	}
	keys := []string{wave}
	for _, register := range n.traffic.registers {
		keys = append(keys, register.Keys()...)
	}
	for _, key := range keys {
		n.history.Add(Operation{Key: key, Verb: verb, Call: call, Return: n.history.Now(), Outcome: Done})
	}
	return nil
}

func keysOf(kind string, round, count int) []string {
	keys := make([]string, count)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s-%d-%d", kind, round, i+1)
	}
	return keys
}

// round does one, and writes the report if it fails.
func (r *run) round(ctx context.Context, number int) error {
	n, random := r.newRound(number)
	r.screen.say("round %d: %v", number, n.schedule)
	wall, pace, judged := time.Now(), r.cluster.pace.Now(), r.eyes.judgedLooks()
	took, err := n.play(ctx, random)
	left := float64(r.cluster.pace.Now()-pace) / float64(time.Since(wall))
	r.result.Rounds++
	r.result.Faults += len(n.nemesis.deeds)
	for _, deed := range n.nemesis.deeds {
		if deed.Node != "" {
			r.result.Met[deed.Fault]++
		}
	}
	done := tally(n.history.Operations())
	for manager, of := range done {
		sum := r.result.Done[manager]
		r.result.Done[manager] = Tally{sum.Writes + of.Writes, sum.Reads + of.Reads}
	}
	r.result.Judged = r.eyes.judgedLooks()
	r.result.Addresses = max(r.result.Addresses, r.eyes.addresses())
	r.result.Slowest = max(r.result.Slowest, took)
	r.result.Silence = max(r.result.Silence, n.traffic.pulse.silence())
	if err == nil {
		r.screen.say("round %d: kept; settled in %.1fs; done %s, never none for %.1fs; %d looks judged; others left %.0f %% of the cores",
			number, took.Seconds(), told(done), n.traffic.pulse.silence().Seconds(), r.result.Judged-judged, 100*left)
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	directory, reportErr := n.report(err)
	if reportErr != nil {
		return errors.Join(err, fmt.Errorf("write the report: %w", reportErr))
	}
	r.screen.say("round %d: %v\n%s", number, err, guide(directory, r.config, number))
	return fmt.Errorf("round %d of seed %d: %w (see %s)", number, r.config.Seed, err, directory)
}

func (n *round) play(ctx context.Context, random *rand.Rand) (settled time.Duration, err error) {
	for _, register := range n.traffic.registers {
		if err := n.ask(ctx, register.Make); err != nil {
			return 0, err
		}
	}
	for _, register := range n.traffic.registers {
		for _, key := range register.Keys() {
			n.history.Add(Operation{Key: key, Verb: Write, Value: key, Return: n.history.Now(), Outcome: Done})
		}
	}
	if err := n.adopt(ctx); err != nil {
		return 0, err
	}
	if settled, err = n.storm(ctx, random); err != nil {
		return settled, err
	}
	if err := n.traffic.final(ctx, n.config.Converge); err != nil {
		return settled, err
	}
	if !n.script.still {
		if err := (apps{n.cluster}).final(ctx, n.traffic, n.config.Converge); err != nil {
			return settled, err
		}
	}
	if err := n.kept.check(ctx, n.cluster, n.config.Converge); err != nil {
		return settled, err
	}
	if err := Linearizable(n.history.Operations(), ""); err != nil {
		return settled, err
	}
	return settled, n.tidy(ctx)
}

// adopt begins the history of the scale with what earlier rounds have left.
func (n *round) adopt(ctx context.Context) error {
	return n.ask(ctx, func(ctx context.Context, to *client.Client) error {
		o, err := apps{n.cluster}.scale(ctx, to)
		if err == nil {
			n.history.Add(Operation{Key: wave, Verb: Write, Value: o.Value, Return: n.history.Now(), Outcome: Done})
			for _, value := range n.late.at(time.Now()) {
				n.history.Add(Operation{Key: wave, Verb: Write, Value: value, Outcome: Unknown})
			}
		}
		return err
	})
}

// storm is traffic and faults, until the cluster has settled after the last one.
func (n *round) storm(ctx context.Context, random *rand.Rand) (settled time.Duration, err error) {
	group, ctx := errgroup.WithContext(ctx)
	busy, rest := context.WithCancel(ctx) // until there is nothing more to see
	defer rest()
	stormy, calm := context.WithCancel(ctx) // until the last fault is over
	defer calm()
	seed := [2]uint64{random.Uint64(), random.Uint64()}
	if !n.script.quiet {
		group.Go(func() error { n.traffic.run(busy, seed); return nil })
		group.Go(func() error { return n.traffic.pulse.watch(busy) })
	}
	group.Go(func() error { return watch(busy, n.eyes, Invariants) })
	scaling := rand.New(rand.NewPCG(seed[0], ^seed[1]))
	scaled := make(chan struct{})
	group.Go(func() error {
		defer close(scaled)
		if !n.script.still {
			apps{n.cluster}.run(stormy, n.traffic, scaling)
		}
		return nil
	})
	group.Go(func() error {
		defer rest()
		if err := sleep.For(ctx, leadIn); err != nil {
			return err
		}
		if err := n.faults(ctx); err != nil {
			return err
		}
		calm()
		<-scaled
		settled, err = settle(ctx, n.eyes, n.config.Converge)
		if err != nil {
			return err
		}
		return sleep.For(ctx, leadOut)
	})
	err = group.Wait()
	return settled, err
}

// faults returns when all are over.
func (n *round) faults(ctx context.Context) error {
	if n.script.begin != nil {
		if err := n.script.begin(ctx, n); err != nil {
			return err
		}
	}
	if err := n.nemesis.run(ctx, n.schedule); err != nil || n.script.end == nil {
		return err
	}
	return n.script.end(ctx, n)
}

// tidy removes what the round made, except for one register of each kind.
func (n *round) tidy(ctx context.Context) error {
	n.kept.add(n.history.Operations(), n.traffic.registers[0].Keys()[0])
	n.late.add(n.history.Operations())
	for _, register := range n.traffic.registers {
		if c, ok := register.(configs); ok {
			register = configs{c.keys[1:]}
		}
		if err := n.ask(ctx, register.Remove); err != nil {
			return err
		}
	}
	return nil
}

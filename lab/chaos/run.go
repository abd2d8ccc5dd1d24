package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api/client"
)

// upTime is how long a lab may take to come up, downTime to go.
const upTime, downTime = 3 * time.Minute, 3 * time.Minute

// Result is what a run has come to.
type Result struct {
	Rounds, Faults int
	// Met is how often each fault has happened, by its name.
	Met map[string]int
	// Done is what each manager has acknowledged, by its name.
	Done map[string]Tally
	// Judged is at how many looks at least two nodes had been well for long enough to
	// be judged.
	Judged int
	// Addresses is how many tasks had one at most, at a time.
	Addresses int
	// Slowest is the longest that the cluster took to be as it should be after the
	// last fault of a round.
	Slowest time.Duration
	// Silence is the longest that a manager acknowledged no write though it was well, as
	// were most.
	Silence time.Duration
}

func (r Result) String() string {
	return fmt.Sprintf("%d rounds, %d faults; writes+reads acknowledged: %s; %d looks at two nodes or more to be judged; converged within %.1fs; no manager silent for %.1fs",
		r.Rounds, r.Faults, told(r.Done), r.Judged, r.Slowest.Seconds(), r.Silence.Seconds())
}

// Run hurts a cluster of its own round after round. An error that is a *Violation
// says that orc broke a promise; a directory then has all that is known of it.
func Run(ctx context.Context, config Config) (result Result, err error) {
	if err := config.Validate(); err != nil {
		return result, err
	}
	if config.Dir == "" {
		if config.Dir, err = os.MkdirTemp("", "orc-chaos-"); err != nil {
			return result, err
		}
	}
	if err := goFirst(); err != nil {
		return result, err
	}
	s := &screen{out: config.Out, began: time.Now()}
	s.say("making a lab of %d managers and %d workers (seed %d)", config.Managers, config.Agents, config.Seed)
	if len(config.Faults) == 0 {
		_, missing := possible()
		for _, each := range missing {
			s.say("%s", each)
		}
	}
	firstCtx, enough := context.WithCancel(ctx)
	first := make(chan error, 1)
	go func() { first <- containersFirst(firstCtx, cgroups) }()
	defer func() {
		enough()
		err = errors.Join(err, <-first)
	}()
	upCtx, cancel := context.WithTimeout(ctx, upTime)
	defer cancel()
	cluster, err := Up(upCtx, config)
	if err != nil {
		return result, err
	}
	r := &run{config: config, cluster: cluster, screen: s, eyes: newEyes(cluster, config.Grace)}
	r.result.Met, r.result.Done = make(map[string]int), make(map[string]Tally)
	err = r.timed(ctx)
	if err != nil && config.Keep {
		s.say("the lab is still there: export ORC_HOST=unix://%s; ORC_LAB_DIR=%s %s lab down --name %s removes it",
			cluster.Managers()[0].Socket(), config.Dir, config.Binary, labName)
		return r.result, err
	}
	downCtx, cancelDown := context.WithTimeout(context.WithoutCancel(ctx), downTime)
	defer cancelDown()
	return r.result, errors.Join(err, cluster.Down(downCtx), os.RemoveAll(config.Dir))
}

// run is a run under way.
type run struct {
	config  Config
	cluster *Cluster
	eyes    *eyes
	screen  *screen
	result  Result
	kept    keepsakes
	late    lateScales
}

// timed does all rounds on the cluster's clock.
func (r *run) timed(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.cluster.pace.run(ctx, r.cluster.Lab) })
	group.Go(func() error {
		defer stop()
		return r.all(ctx)
	})
	return group.Wait()
}

func (r *run) all(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	began := time.Now()
	for number := r.config.First; ; number++ {
		done := r.result.Rounds
		if r.config.Rounds > 0 && done >= r.config.Rounds || r.config.Rounds == 0 && time.Since(began) >= r.config.Duration {
			r.screen.say("all promises were kept: %s", r.result)
			return nil
		}
		if err := ctx.Err(); err != nil {
			r.screen.say("interrupted; so far all promises were kept: %s", r.result)
			return err
		}
		if err := r.round(ctx, number); err != nil {
			return err
		}
	}
}

// prepare deploys what the nodes are to run, and waits for it.
func (r *run) prepare(ctx context.Context) error {
	if err := r.cluster.loadImages(ctx); err != nil {
		return err
	}
	if err := r.cluster.Ask(ctx, apps{r.cluster}.make); err != nil {
		return err
	}
	_, err := settle(ctx, r.eyes, time.Minute)
	return err
}

// ask is Cluster.Ask, again and again until it succeeds or takes too long.
func (r *run) ask(ctx context.Context, ask func(context.Context, *client.Client) error) error {
	err := again(ctx, r.cluster.pace, r.config.Converge, func() error { return r.cluster.Ask(ctx, ask) })
	if err == nil || ctx.Err() != nil {
		return err
	}
	return violationf("convergence", "no manager does what it is asked though all are well: %v", err)
}

package server

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/server/network"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

const (
	// retryAfter is the pause when the database is not available.
	retryAfter    = 500 * time.Millisecond
	resignTimeout = 2 * time.Second
	// batchLimit is how many steps one transaction carries: a few megabytes.
	batchLimit = store.MaxOps / 2
	// minWait keeps a plan that wants to be made again at once from taking a core.
	minWait = 10 * time.Millisecond
)

// leader carries out what the scheduler plans while this manager leads, and beside
// it what the network's keeper plans: neither waits for the other.
//
//	candidate ──(elected)──▶ leading: observe → plan → commit → observe …
//	    ▲──────(fenced, database away)──────┘
type leader struct {
	store store.Store
	id    string
	// members are the database's, of which the leader's member leads; nil means that this
	// is the only manager.
	members store.Membership
	planner func(*store.Snapshot) Planner
	// duties are done beside the planning, each until its ctx ends.
	duties []duty
	log    *zap.Logger
}

// duty is something that the leader alone does.
type duty func(ctx context.Context, leadership store.Leadership) error

func (l *leader) run(ctx context.Context) error {
	for {
		leadership, err := l.store.Campaign(ctx, l.id)
		if err == nil {
			l.log.Info("this manager leads")
			err = l.lead(ctx, leadership)
			l.resign(ctx, leadership)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.log.Warn("this manager does not lead any more", zap.Error(err))
		if err := sleep.For(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// resign ends a term, and lets another manager lead when this one ends.
func (l *leader) resign(ctx context.Context, leadership store.Leadership) {
	ending := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resignTimeout)
	defer cancel()
	if err := leadership.Resign(ctx); err != nil {
		l.log.Info("could not resign: the next leader takes over all the same", zap.Error(err))
	}
	if !ending || l.members == nil {
		return // what failed may have been of the moment: it may lead again at once
	}
	if err := l.members.Yield(); err != nil {
		l.log.Info("no other manager takes the lead: they elect one when this one is gone", zap.Error(err))
	}
}

// lead does all that a leader does until the leadership ends.
func (l *leader) lead(ctx context.Context, leadership store.Leadership) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-leadership.Done():
			cancel(store.ErrFenced)
		case <-ctx.Done():
		}
	}()
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error { return l.follow(working, leadership, l.planner, false) })
	group.Go(func() error { return l.follow(working, leadership, newKeeper, true) })
	for _, each := range l.duties {
		group.Go(func() error { return each(working, leadership) })
	}
	return cause(ctx, group.Wait())
}

func newKeeper(snapshot *store.Snapshot) Planner { return network.NewKeeper(snapshot) }

// follow lets one planner plan, and applies it.
func (l *leader) follow(ctx context.Context, leadership store.Leadership, planner func(*store.Snapshot) Planner, lasting bool) error {
	watcher := l.store.Watch()
	defer watcher.Close()
	pass := &pass{leader: l, newPlanner: planner, lasting: lasting, leadership: leadership, watcher: watcher}
	if err := pass.begin(ctx); err != nil {
		return err
	}
	for {
		wake, done, err := pass.plan(ctx)
		if err == nil && done {
			err = pass.wait(ctx, wake)
		}
		if err != nil {
			return err
		}
	}
}

// pass is the working memory of a leader with one planner.
type pass struct {
	*leader
	newPlanner func(*store.Snapshot) Planner
	// lasting says that the planner goes by snapshots alone, also after a commit that
	// failed; else it must begin anew.
	lasting    bool
	leadership store.Leadership
	watcher    store.Watcher
	planner    Planner
	snapshot   *store.Snapshot
	// revision is the newest that the next plan must have seen.
	revision int64
}

// begin starts from everything that was written before the election: a plan on
// an older view would make tasks that exist already.
func (p *pass) begin(ctx context.Context) error {
	revision, err := p.store.Linearized(ctx)
	if err != nil {
		return err
	}
	p.revision = revision
	return p.catchUp(ctx, true)
}

// catchUp observes until the view has what it must have. Anew, it gives up what
// the planner remembers.
func (p *pass) catchUp(ctx context.Context, anew bool) error {
	for p.snapshot == nil || p.snapshot.Revision() < p.revision {
		update, err := p.next(ctx)
		if err != nil {
			return err
		}
		p.snapshot = update.Snapshot
		if p.planner != nil && (!anew || p.lasting) {
			p.planner.Observe(update)
		}
	}
	if anew && !p.lasting || p.planner == nil {
		p.planner = p.newPlanner(p.snapshot)
	}
	return nil
}

// next is the next update, or what the watcher does not tell of: a newer revision at
// which all is as it was, for what was written is gone again.
func (p *pass) next(ctx context.Context) (store.Update, error) {
	if p.snapshot == nil {
		return p.watcher.Next(ctx)
	}
	snapshot, err := p.store.WaitFor(ctx, p.revision)
	if err != nil {
		return store.Update{}, err
	}
	timed, cancel := context.WithTimeout(ctx, minWait)
	defer cancel()
	update, err := p.watcher.Next(timed)
	if err != nil && ctx.Err() == nil && timed.Err() != nil {
		return store.Update{Snapshot: snapshot, Changes: store.Diff(p.snapshot, snapshot)}, nil
	}
	return update, err
}

// plan decides and applies once. It is done when there was nothing to do; wake is
// when to decide again though nothing changed.
func (p *pass) plan(ctx context.Context) (wake time.Time, done bool, err error) {
	plan := p.planner.Plan(time.Now())
	if len(plan.Steps) == 0 {
		return plan.Wake, true, nil
	}
	conflict := false
	for _, steps := range batches(plan.Steps, batchLimit) {
		revision, err := p.leadership.Commit(ctx, transaction(steps, time.Now()))
		switch {
		case err == nil:
			p.revision = max(p.revision, revision)
			p.tell(steps)
		case errors.Is(err, store.ErrConflict):
			conflict = true // the others are safe without it
		default:
			return time.Time{}, false, err
		}
	}
	if conflict {
		// What somebody else wrote may not have reached the view yet.
		revision, err := p.store.Linearized(ctx)
		if err != nil {
			return time.Time{}, false, err
		}
		p.revision = max(p.revision, revision)
		if err := sleep.For(ctx, minWait); err != nil {
			return time.Time{}, false, err
		}
	}
	return time.Time{}, false, p.catchUp(ctx, conflict)
}

// wait blocks until something changed or the time has come.
func (p *pass) wait(ctx context.Context, wake time.Time) error {
	timed, cancel := ctx, context.CancelFunc(func() {})
	if !wake.IsZero() {
		timed, cancel = context.WithTimeout(ctx, max(time.Until(wake), minWait))
	}
	defer cancel()
	update, err := p.watcher.Next(timed)
	if err != nil {
		if ctx.Err() == nil && timed.Err() != nil {
			return nil
		}
		return err
	}
	p.snapshot = update.Snapshot
	p.planner.Observe(update)
	return nil
}

// tell logs what was done: each step once, with its reason.
func (p *pass) tell(steps []scheduler.Step) {
	for _, step := range steps {
		if step.Action == scheduler.ForgetTask || step.Action == scheduler.ForgetSpec {
			continue
		}
		p.log.Info(string(step.Action), zap.String("about", api.ShortID(step.Service)),
			zap.String("object", api.ShortID(changed(step).Header().ID)), zap.String("reason", step.Reason))
	}
}

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

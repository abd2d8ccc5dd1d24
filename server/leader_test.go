package server

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// onePer plans one task for every service that has none, as it sees it.
type onePer struct {
	mu       *sync.Mutex
	snapshot *store.Snapshot
	wake     time.Duration
	plans    *int
	// before, which may be nil, happens between a plan and its commit.
	before func()
}

func (p *onePer) Observe(update store.Update) { p.snapshot = update.Snapshot }

func (p *onePer) Plan(now time.Time) scheduler.Plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.plans++
	var plan scheduler.Plan
	for service := range store.All[api.Service](p.snapshot) {
		if store.First[api.Task](p.snapshot, store.ByService, service.ID) == nil {
			next := *service
			next.Last++
			plan.Steps = append(plan.Steps,
				scheduler.Step{Action: scheduler.CreateTask, Service: service.ID, Reason: "there is none",
					After: &api.Task{Meta: api.Meta{ID: api.NewID()}, Service: service.ID}},
				scheduler.Step{Action: scheduler.StepRollout, Service: service.ID, Reason: "counted", Before: service, After: &next})
		}
	}
	if len(plan.Steps) > 0 && p.before != nil {
		p.before()
	}
	if p.wake > 0 {
		plan.Wake = now.Add(p.wake)
	}
	return plan
}

func lead(t *testing.T, s store.Store, wake time.Duration, before func()) (plans *int, stop func()) {
	plans = new(int)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	mu := &sync.Mutex{}
	if before != nil {
		before = sync.OnceFunc(before)
	}
	l := &leader{store: s, id: "m1", log: zap.NewNop(), planner: func(snapshot *store.Snapshot) Planner {
		return &onePer{mu: mu, snapshot: snapshot, plans: plans, wake: wake, before: before}
	}}
	go func() { ended <- l.run(ctx) }()
	return plans, func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	}
}

func addServices(t *testing.T, s store.Store, from, to int) {
	t.Helper()
	tx := &store.Tx{}
	for i := from; i < to; i++ {
		tx.Set(&api.Service{Meta: api.Meta{ID: fmt.Sprintf("service%04d", i)}, Name: fmt.Sprintf("s%d", i)})
	}
	_, err := s.Commit(context.Background(), tx)
	require.NoError(t, err)
}

func requireOneTaskEach(t *testing.T, s store.Store, services int) {
	t.Helper()
	require.Equal(t, services, store.Count[api.Task](s.Snapshot()))
	for service := range store.All[api.Service](s.Snapshot()) {
		require.NotNil(t, store.First[api.Task](s.Snapshot(), store.ByService, service.ID))
		require.Equal(t, 1, service.Last)
	}
}

func TestTheLeaderCarriesOutPlans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		defer s.Close()
		addServices(t, s, 0, 3000)
		_, stop := lead(t, s, 0, nil)
		defer stop()
		synctest.Wait()
		requireOneTaskEach(t, s, 3000)
		addServices(t, s, 3000, 3010)
		synctest.Wait()
		requireOneTaskEach(t, s, 3010)
	})
}

func TestAConflictIsPlannedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		defer s.Close()
		addServices(t, s, 0, 2)
		_, stop := lead(t, s, 0, func() { addServices(t, s, 0, 3) }) // written behind the planner's back
		defer stop()
		time.Sleep(time.Second)
		synctest.Wait()
		requireOneTaskEach(t, s, 3)
	})
}

func TestTheLeaderWakesByTimeAndOtherwiseRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		defer s.Close()
		plans, stop := lead(t, s, time.Minute, nil)
		defer stop()
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		require.InDelta(t, 61, *plans, 2)
	})
}

func TestADeposedLeaderStopsAndCanLeadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		defer s.Close()
		_, stop := lead(t, s, 0, nil)
		defer stop()
		synctest.Wait()
		s.Depose()
		synctest.Wait()
		time.Sleep(time.Second)
		addServices(t, s, 0, 1)
		synctest.Wait()
		requireOneTaskEach(t, s, 1)
	})
}

// yielding counts how often another member was let lead.
type yielding struct {
	store.Membership
	times int
}

func (y *yielding) Yield() error { y.times++; return nil }

// A database that was away for a moment has the same leader after it: no election, which
// would take seconds.
func TestALeaderLetsAnotherLeadOnlyWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		defer s.Close()
		members, terms := &yielding{}, 0
		l := &leader{
			store: s, id: "m1", members: members, log: zap.NewNop(),
			planner: func(snapshot *store.Snapshot) Planner {
				return &onePer{mu: &sync.Mutex{}, snapshot: snapshot, plans: new(int)}
			},
			duties: []duty{func(ctx context.Context, _ store.Leadership) error {
				if terms++; terms == 1 {
					return store.ErrUnavailable
				}
				<-ctx.Done()
				return ctx.Err()
			}},
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.run(ctx) }()
		time.Sleep(2 * retryAfter)
		synctest.Wait()
		require.Equal(t, 2, terms, "it leads again")
		require.Zero(t, members.times)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.Equal(t, 1, members.times)
	})
}

func TestStepsOfAServiceStayTogether(t *testing.T) {
	step := func(service string) scheduler.Step { return scheduler.Step{Service: service} }
	steps := []scheduler.Step{step("a"), step("a"), step("b"), step("b"), step("c"), step("d"), step("d"), step("d"), step("d"), step("d")}
	var sizes [][]string
	for _, batch := range batches(steps, 4) {
		var names []string
		for _, each := range batch {
			names = append(names, each.Service)
		}
		sizes = append(sizes, names)
	}
	require.Equal(t, [][]string{{"a", "a", "b", "b"}, {"c"}, {"d", "d", "d", "d"}, {"d"}}, sizes)
	require.Empty(t, batches(nil, 4))
}

// TestARevisionIsNotForgottenWhileSomebodyGoesBackToIt: the leader's plan is older than
// the way back.
func TestARevisionIsNotForgottenWhileSomebodyGoesBackToIt(t *testing.T) {
	s := memory.New()
	defer s.Close()
	commit := func(tx *store.Tx) error {
		_, err := s.Commit(t.Context(), tx)
		return err
	}
	const revisions = api.RevisionHistoryLimit + 2
	tx := &store.Tx{}
	tx.Create(&api.Service{Meta: api.Meta{ID: "web"}, Name: "web", Current: revisions, Previous: revisions - 1, Last: revisions})
	for number := 1; number <= revisions; number++ {
		spec := api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: fmt.Sprintf("web:%d", number)}}
		tx.Create(&api.Revision{Meta: api.Meta{ID: api.RevisionID("web", number)}, Service: "web", Number: number, Spec: spec})
	}
	require.NoError(t, commit(tx))
	plan := scheduler.New(s.Snapshot()).Plan(time.Now())
	forgets := slices.ContainsFunc(plan.Steps, func(step scheduler.Step) bool { return step.Action == scheduler.ForgetSpec })
	require.True(t, forgets)

	draft := deploy.NewDraft(s.Snapshot(), time.Now(), api.NewID)
	require.NoError(t, draft.RollbackService(store.Get[api.Service](s.Snapshot(), "web"), 1))
	require.NoError(t, commit(draft.Tx()))
	require.ErrorIs(t, commit(transaction(plan.Steps, time.Now())), store.ErrConflict)
	require.NotNil(t, deploy.CurrentSpec(s.Snapshot(), store.Get[api.Service](s.Snapshot(), "web")))

	plan = scheduler.New(s.Snapshot()).Plan(time.Now())
	require.NoError(t, commit(transaction(plan.Steps, time.Now())), "what it needs and what it writes may be the same")
	require.Nil(t, store.Get[api.Revision](s.Snapshot(), api.RevisionID("web", 2)))
}

func TestATaskIsNotForgottenWhileItsFirstStatusComes(t *testing.T) {
	s := memory.New()
	defer s.Close()
	commit := func(tx *store.Tx) error {
		_, err := s.Commit(t.Context(), tx)
		return err
	}
	tx := &store.Tx{}
	tx.Create(&api.Task{Meta: api.Meta{ID: "task"}, Service: "gone", Desired: api.DesiredRemove})
	require.NoError(t, commit(tx))
	plan := scheduler.New(s.Snapshot()).Plan(time.Now())
	require.Len(t, plan.Steps, 1)
	require.Equal(t, scheduler.ForgetTask, plan.Steps[0].Action)

	tx = &store.Tx{}
	tx.Require(store.Get[api.Task](s.Snapshot(), "task"))
	tx.Create(&api.TaskStatus{Meta: api.Meta{ID: "task"}, State: api.TaskShutdown})
	require.NoError(t, commit(tx))
	require.ErrorIs(t, commit(transaction(plan.Steps, time.Now())), store.ErrConflict)

	plan = scheduler.New(s.Snapshot()).Plan(time.Now())
	require.NoError(t, commit(transaction(plan.Steps, time.Now())))
	require.Zero(t, store.Count[api.TaskStatus](s.Snapshot()))
}

func TestTheLeaderDoesNotWaitForWhatIsGoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		defer s.Close()
		watcher := s.Watch()
		defer watcher.Close()
		p := &pass{leader: &leader{store: s}, watcher: watcher, newPlanner: func(snapshot *store.Snapshot) Planner {
			return &onePer{snapshot: snapshot}
		}}
		require.NoError(t, p.begin(t.Context()))
		for _, anew := range []bool{false, true} {
			addServices(t, s, 0, 1)
			tx := &store.Tx{}
			tx.Remove(api.KindService, "service0000")
			revision, err := s.Commit(t.Context(), tx)
			require.NoError(t, err)
			p.revision = revision
			require.NoError(t, p.catchUp(t.Context(), anew))
			require.Equal(t, revision, p.planner.(*onePer).snapshot.Revision())
		}
	})
}

// Package server is a manager: it listens for users and nodes, keeps the nodes'
// sessions, and while it leads, carries out what the scheduler plans.
//
// It never runs a container and never decides where one runs: the agent does the
// one, the scheduler the other. It knows the database only by its contract.
package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/hosts"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/rotation"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

// Config is what a Server is made of.
type Config struct {
	Store store.Store
	// Node is this manager's own node ID.
	Node string
	// Credentials are this manager's; they may be replaced while it runs.
	Credentials *ca.Credentials
	// TCP and Unix are open listeners (see Listen, ListenUnix), which the Server
	// closes.
	TCP, Unix net.Listener
	// Members are the database's; nil means that this is the only manager.
	Members store.Membership
	// Keys returns what another manager opens the database with.
	Keys func() ([]byte, error)
	// API answers what is not the nodes' own. When it has a Run method, that runs
	// as long as the server does.
	API func(*session.Dispatcher, *managers.Managers) http.Handler
	// Limits of what others may cost; the zero value means limit.Default.
	Limits limit.Limits
	// Planner makes the scheduler's working memory; nil means scheduler.New.
	Planner func(*store.Snapshot) Planner
}

// Planner is a scheduler: see package scheduler.
type Planner interface {
	Observe(update store.Update)
	Plan(now time.Time) scheduler.Plan
}

// Server is a manager of the cluster.
type Server struct {
	config     Config
	log        *zap.Logger
	gate       *limit.Gate
	managers   *managers.Managers
	dispatcher *session.Dispatcher
	guests     guests
}

// fit says why nodes are to go to another manager. One that was demoted or removed may have a
// vote for as long as it is needed, but the others know nothing of the nodes that it has.
func fit(config Config, others *managers.Managers) func() error {
	var known atomic.Bool // it has been a manager, and not only not been heard of yet
	return func() error {
		self := store.Get[api.Node](config.Store.Snapshot(), config.Node)
		if self != nil && self.Role == api.RoleManager {
			known.Store(true)
			return others.Fit()
		}
		if self != nil || known.Load() {
			return api.Errorf(api.CodeUnavailable, "this node is no manager any more: another one is")
		}
		return others.Fit()
	}
}

// New makes a Server.
func New(config Config, log *zap.Logger) *Server {
	if config.Planner == nil {
		config.Planner = func(snapshot *store.Snapshot) Planner { return scheduler.New(snapshot) }
	}
	others := managers.New(managers.Config{
		Store: config.Store, Node: config.Node, Credentials: config.Credentials, Members: config.Members, Keys: config.Keys,
		Ask: hosts.TCP,
	}, log)
	return &Server{config: config, log: log, gate: limit.NewGate(config.Limits), managers: others, dispatcher: session.New(session.Config{
		Store: config.Store, Node: config.Node, Fit: fit(config, others), Relay: others.Open,
		Elsewhere: others.Floor, Heard: others.Heard(), Ask: hosts.TCP,
	}, log), guests: guests{all: make(map[*guest]struct{})}}
}

// Run serves until ctx ends, which takes a few seconds at most. It gives up the
// leadership if it has it.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.dispatcher.Run(ctx) })
	group.Go(func() error { return s.managers.Run(ctx) })
	group.Go(func() error { return s.watchGuests(ctx) })
	group.Go(func() error {
		return (&leader{
			store: s.config.Store, id: s.config.Node, members: s.config.Members, planner: s.config.Planner,
			duties: s.duties(), log: s.log.Named("leader"),
		}).run(ctx)
	})
	answers := s.config.API(s.dispatcher, s.managers)
	if runner, ok := answers.(interface{ Run(context.Context) error }); ok {
		group.Go(func() error { return runner.Run(ctx) })
	}
	handler := s.handler(answers)
	group.Go(func() error { return serveRemote(ctx, s.gate, handler, s.config.TCP, s.config.Credentials, s.log) })
	group.Go(func() error { return serve(ctx, local(handler, s.log), bounded(s.config.Unix, localConnections)) })
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// duties are what a leader does beside planning.
func (s *Server) duties() []duty {
	return []duty{
		func(ctx context.Context, _ store.Leadership) error { return s.managers.Keep(ctx) },
		func(ctx context.Context, leadership store.Leadership) error {
			return s.dispatcher.Orphans(ctx, leadership, s.managers.Fits, s.managers.Answers)
		},
		func(ctx context.Context, leadership store.Leadership) error {
			return rotation.Keep(ctx, s.config.Store, leadership, s.log.Named("ca"))
		},
	}
}

// route is one that nodes and managers alone speak. Package rest has the others.
type route struct {
	pattern string   // as http.ServeMux has it
	roles   []string // who may use it
	serve   http.HandlerFunc
}

func (s *Server) routes() []route {
	nodes, managers := []string{ca.RoleManager, ca.RoleWorker}, []string{ca.RoleManager}
	return []route{
		{"POST /v1/session", nodes, s.dispatcher.ServeSession},
		{"POST /v1/streams/{id}", nodes, s.dispatcher.ServeStream},
		{"GET /v1/alive", managers, s.managers.ServeAlive},
		{"GET /v1/floor", managers, s.managers.ServeFloor(s.dispatcher)},
		{"POST /v1/relay/{node}", managers, s.managers.Relay(s.dispatcher)},
	}
}

// handler mounts the rooms behind authentication.
func (s *Server) handler(answers http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, each := range s.routes() {
		mux.HandleFunc(each.pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := ca.Require(r.Context(), each.roles...); err != nil {
				session.Refuse(w, err)
				return
			}
			each.serve(w, r)
		})
	}
	mux.Handle("/", answers)
	return s.authenticate(s.limit(mux))
}

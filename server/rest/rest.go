// Package rest is a manager's API for people and their tools: JSON over HTTP,
// one file per noun, one table of routes (see Routes).
//
// It reads from snapshots, writes through server/deploy and reaches nodes through
// their sessions. It decides nothing about tasks, and never shows a secret: not
// the CA's key, not a secret's content, not a registry credential.
package rest

import (
	"context"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/store"
)

// Dispatcher opens streams to nodes. open.ID is the dispatcher's to set. ctx
// bounds only the waiting; the caller owes the stream a Close.
type Dispatcher interface {
	Open(ctx context.Context, node string, open wire.Open) (io.ReadWriteCloser, error)
}

// Managers are the cluster's managers, as this one sees them.
type Managers interface {
	// State is how a manager is seen; leader is the ID of the node that leads.
	State(node *api.Node, leader string) api.ManagerState
	// Apart is how long this manager has not reached most of the others; 0 when it does.
	Apart() time.Duration
	// Splits are other clusters that have come of this one, Findings all that is wrong
	// with managers.
	Splits() []managers.Split
	Findings() []api.Finding
	// Enter makes a manager's new database one of the cluster's.
	Enter(ctx context.Context, node string, request api.MemberRequest) (api.MemberAnswer, error)
	// MayLeave says why a manager cannot be done without, and Leave takes its
	// database out as soon as that may be; at once if forced.
	MayLeave(ctx context.Context, node *api.Node, force bool) error
	Leave(ctx context.Context, node *api.Node, force bool) error
}

// Config is what an API needs.
type Config struct {
	Store      store.Store
	Dispatcher Dispatcher
	Managers   Managers
	// Resolver asks registries; nil means that only loaded images can be used.
	Resolver  deploy.Resolver
	Snapshots Snapshots
	Keys      Keys
	// Node is this manager's own node ID.
	Node string
	Log  *zap.Logger
}

// API answers requests. Who sent one must be in its context (ca.WithPeer).
type API struct {
	store      store.Store
	dispatcher Dispatcher
	managers   Managers
	resolver   deploy.Resolver
	keeper     Snapshots
	keys       Keys
	node       string
	log        *zap.Logger
	mux        *http.ServeMux
	events     *history
}

// New makes an API, which remembers events while Run runs.
func New(config Config) *API {
	a := &API{
		store: config.Store, dispatcher: config.Dispatcher, managers: config.Managers, resolver: config.Resolver,
		keeper: config.Snapshots, keys: config.Keys, node: config.Node,
		log: config.Log.Named("rest"), mux: http.NewServeMux(), events: newHistory(eventLimit),
	}
	for _, route := range routes {
		a.mux.Handle(route.Method+" "+route.Path, a.serve(route))
	}
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.refuse(w, r, api.NotFoundf("the API has no %s %s", r.Method, r.URL.Path))
	})
	return a
}

// Run remembers events until ctx ends.
func (a *API) Run(ctx context.Context) error {
	watcher := a.store.Watch()
	defer watcher.Close()
	for {
		update, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		a.events.observe(update)
	}
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// serve checks the sender's role and answers errors.
func (a *API) serve(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := route.Access.check(r.Context()); err != nil {
			a.refuse(w, r, err)
			return
		}
		if route.limit >= 0 {
			r.Body = http.MaxBytesReader(w, r.Body, max(route.limit, smallBody))
		}
		a.mark(w, r)
		if err := route.handler(a, w, r); err != nil {
			a.refuse(w, r, err)
		}
	})
}

package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

// commitTimeout is how long a write may take, images being resolved already.
const commitTimeout = 30 * time.Second

// commit drafts and writes what a request asks for. What was begun is brought to
// its end although the client goes away.
func (a *API) commit(r *http.Request, decide func(*deploy.Draft) error) (*deploy.Draft, *store.Snapshot, error) {
	if err := a.quorate(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), commitTimeout)
	defer cancel()
	return deploy.Commit(ctx, a.store, decide)
}

// known is a view for a request that only shows.
func (a *API) known() (*store.Snapshot, error) { return a.store.Snapshot(), nil }

// newest is a view for a request that goes on to write, or to remove what nothing
// uses from nodes.
func (a *API) newest(r *http.Request) (*store.Snapshot, error) {
	if err := a.quorate(); err != nil {
		return nil, err
	}
	return deploy.Newest(r.Context(), a.store)
}

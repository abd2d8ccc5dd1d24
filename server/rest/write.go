package rest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

// commitTimeout is how long a write may take, images being resolved already.
const commitTimeout = 30 * time.Second

// commit drafts and writes what a request asks for. What was begun is brought to
// its end although the client goes away.
func (a *API) commit(r *http.Request, decide func(*deploy.Draft) error) (*deploy.Draft, *store.Snapshot, error) {
	if err := a.quorate(); err != nil {
		return nil, nil, unwritten(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), commitTimeout)
	defer cancel()
	draft, snapshot, err := deploy.Commit(ctx, a.store, decide)
	var sure deploy.Unwritten
	if errors.As(err, &sure) {
		err = unwritten(sure)
	}
	return draft, snapshot, err
}

// known is a view for a request that only shows.
func (a *API) known() (*store.Snapshot, error) { return a.store.Snapshot(), nil }

// newest is a view for a request that goes on to write, or to remove what nothing
// uses from nodes.
func (a *API) newest(r *http.Request) (*store.Snapshot, error) {
	if err := a.quorate(); err != nil {
		return nil, unwritten(err)
	}
	snapshot, err := deploy.Newest(r.Context(), a.store)
	return snapshot, unwritten(err)
}

// rehearse drafts and throws the draft away: what is refused whatever the registry
// says, as a name that is taken, is refused before anybody waits for a registry.
func rehearse(snapshot *store.Snapshot, decide func(*deploy.Draft) error) error {
	return unwritten(decide(deploy.NewDraft(snapshot, time.Now(), api.NewID)))
}

// unwritten says in an error for the user, unless that has another reason, that nothing
// was written. A request commits once, and nothing but views comes before that.
func unwritten(err error) error {
	var told *api.Error
	if !errors.As(err, &told) || told.Reason != "" {
		return err
	}
	sure := *told // it may be one that others answer with too
	return sure.Because(api.ReasonUnwritten)
}

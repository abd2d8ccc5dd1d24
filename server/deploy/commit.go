package deploy

import (
	"context"
	"errors"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/planted"
	"github.com/orc-project/orc/store"
)

// tries is how often a draft is made anew because something that it builds on
// changed meanwhile. Each try begins from what was written by then.
const tries = 20

// turns orders those whose first try met somebody else's: one after the other, for
// all that take addresses of one network write the same block, and the unlucky of
// many would run out of tries.
var turns = make(chan struct{}, 1)

// Commit drafts on a view that has all that was acknowledged before the call,
// commits, and returns the draft with a view that has the result. When something
// changed meanwhile it drafts anew: the user's intent still holds. An error of
// decide ends it, and nothing is written: that and all that is as certain is
// Unwritten.
func Commit(ctx context.Context, s store.Store, decide func(*Draft) error) (*Draft, *store.Snapshot, error) {
	for try := range tries {
		if try == 1 {
			select {
			case turns <- struct{}{}:
				defer func() { <-turns }()
			case <-ctx.Done():
				return nil, nil, Unwritten{explain(ctx.Err())}
			}
		}
		snapshot, err := Newest(ctx, s)
		if err != nil {
			return nil, nil, Unwritten{err}
		}
		draft := NewDraft(snapshot, time.Now(), api.NewID)
		if err := decide(draft); err != nil {
			return nil, nil, Unwritten{err}
		}
		if !draft.Changed() {
			return draft, snapshot, nil
		}
		revision, err := planted.Commit(ctx, s.Commit, draft.Tx())
		if err == nil {
			if snapshot, err = s.WaitFor(ctx, revision); err == nil {
				return draft, snapshot, nil
			}
		}
		switch {
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNameTaken):
			// A name that is taken is taken by something newer than the view: the next
			// draft says by what.
		case errors.Is(err, store.ErrUnwritten), errors.Is(err, store.ErrTooLarge):
			return nil, nil, Unwritten{explain(err)}
		default:
			return nil, nil, explain(err)
		}
	}
	return nil, nil, Unwritten{api.Conflictf("others changed the same things %d times meanwhile: try again", tries)}
}

// Unwritten is an error of Commit's after which nothing was written, nor will be.
type Unwritten struct{ error }

// Unwrap gives what went wrong.
func (u Unwritten) Unwrap() error { return u.error }

// Newest is a view that has all that was acknowledged before the call, through
// whichever manager.
func Newest(ctx context.Context, s store.Store) (*store.Snapshot, error) {
	revision, err := s.Linearized(ctx)
	if err != nil {
		return nil, explain(err)
	}
	snapshot, err := s.WaitFor(ctx, revision)
	return snapshot, explain(err)
}

func explain(err error) error {
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return api.Errorf(api.CodeTooLarge, "this is too much for one transaction: %w; deploy it in parts", err)
	case errors.Is(err, store.ErrUnreadable):
		return api.Invalidf("this cannot be stored: %w", err)
	case errors.Is(err, store.ErrFull):
		return api.Errorf(api.CodeUnavailable, "%w: remove secrets, configs, services or apps that are not needed", err)
	case errors.Is(err, store.ErrUnavailable):
		return api.Errorf(api.CodeUnavailable, "the managers cannot write now: %w; try again, and see `orc node ls`", err)
	case errors.Is(err, context.DeadlineExceeded):
		return api.Errorf(api.CodeUnavailable, "the managers did not answer in time: try again, and see `orc node ls`")
	}
	return err
}

package node

import (
	"context"
	"net/http"
	"time"

	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/sleep"
)

// askRemoved is how often a manager whose database does not open asks the others
// whether it still is one.
const askRemoved = 5 * time.Second

// unlessRemoved opens the database. One that has lost the others may wait for ever
// for them: in a cluster that was restored from a snapshot meanwhile nobody speaks to
// the databases of the old one. Its managers know each other by the same CA, though,
// and one of them that answers says who is no part of it.
func (n *process) unlessRemoved(ctx context.Context, open func(context.Context) error) error {
	opening, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for sleep.For(opening, askRemoved) == nil {
			if n.removed(opening) {
				cancel(session.Removed())
				return
			}
		}
	}()
	err := open(opening)
	cancel(nil)
	<-asked
	if err != nil && ctx.Err() == nil {
		if cause := context.Cause(opening); cause != context.Canceled {
			return cause
		}
	}
	return err
}

// removed says whether another manager says that this node was removed.
func (n *process) removed(ctx context.Context) bool {
	for _, address := range n.others() {
		_, err := exchange(ctx, n.credentials.Client(), http.MethodGet, "https://"+address+"/v1/alive", nil)
		if err != nil && err.Error() == session.Removed().Error() {
			return true
		}
	}
	return false
}

package node

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/sleep"
)

// askRemoved is how often a manager whose database does not open asks the others
// whether it still is one.
const askRemoved = 5 * time.Second

// unlessRemoved opens the database. One that has lost the others may wait for ever
// for them: in a cluster that was restored from a snapshot meanwhile nobody speaks to
// the databases of the old one. Its managers know each other by the same CA, though,
// and say who is no part of it.
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

// removed says whether the others say that this node was removed. One that serves the
// cluster and answers this node as one of it is believed more than any that says
// otherwise: that may be one that was forced to go on alone behind the others' back.
func (n *process) removed(ctx context.Context) bool {
	accused := false
	for _, address := range n.others() {
		answer, err := exchange(ctx, n.credentials.Client(), http.MethodGet, "https://"+address+"/v1/alive", nil)
		if accusation(err) {
			accused = true
			continue
		}
		if api.CodeOf(err) == api.CodeUnauthorized || isShutOut(err) {
			n.log.Warn("a manager answers, but not this node: it may have been removed and the CA replaced since; to join again, empty the data directory",
				zap.String("manager", address), zap.Error(err))
		}
		var alive struct {
			Connected bool `json:"connected"`
		}
		if err == nil && json.Unmarshal(answer, &alive) == nil && alive.Connected {
			return false
		}
	}
	return accused
}

// accusation says whether an answer is that this node was removed.
func accusation(err error) bool { return err != nil && err.Error() == session.Removed().Error() }

package node

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

const (
	// askFirst is how long a manager waits for the others' word before it opens its
	// database: the time that a host that does not exist costs a start.
	askFirst = 2 * time.Second
	// askRemoved is how often a manager whose database does not open asks the others
	// whether it still is one.
	askRemoved = 5 * time.Second
	// askApart is how often one asks that has lost the others, and sureAfter how many times
	// in a row it must hear that it is out: those that find each other again agree on a
	// leader within one or two seconds.
	askApart  = 2 * time.Second
	sureAfter = 3
)

// unlessRemoved opens the database, unless the others say that this node is none of them.
// One that has lost the others may wait for ever for them: in a cluster that was restored
// from a snapshot, or forced to go on without it, nobody speaks to the databases of the
// old one. Its managers know each other by the same CA, though, and say who is no part of
// it. They are asked before, too: two that come back might be most of the old cluster.
func (n *process) unlessRemoved(ctx context.Context, open func(context.Context) error) error {
	if n.apart() >= 0 { // it can say whether it was lost
		first, cancel := context.WithTimeout(ctx, askFirst)
		removed := n.removed(first)
		cancel()
		if removed {
			return session.Removed()
		}
	}
	opening, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		before := silent
		for sleep.For(opening, askRemoved) == nil {
			said := n.opinion(opening)
			switch {
			case said == accuses:
				cancel(session.Removed())
				return
			case said == demotes && before == demotes:
				cancel(errDemoted)
				return
			}
			before = said
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

// watchRemoved ends with store.ErrRemoved when this manager is without the others and
// hears from them that it is out, and with errDemoted when it hears that it is none. Whose
// removal was agreed on hears that from the others' databases; who was left behind by one
// that was forced to go on does not, for it might be one of many that are well.
func (n *process) watchRemoved(ctx context.Context) error {
	defer n.markQuorum(ended)
	n.noteQuorum() // without one its database would not have opened
	before, times := silent, 0
	for {
		asleep := time.Now()
		if err := sleep.For(ctx, askApart); err != nil {
			return err
		}
		if time.Since(asleep) > 2*askApart {
			continue // it was stalled, and its database may not have noticed yet
		}
		said := serves
		if !n.noteQuorum() {
			said = n.opinion(ctx)
		}
		if said != before {
			before, times = said, 0
		}
		if times++; times < sureAfter {
			continue
		}
		switch said {
		case accuses:
			return store.ErrRemoved
		case demotes:
			return errDemoted
		}
	}
}

// opinion is what another manager thinks of this node, the weightier the greater.
type opinion int

const (
	silent  opinion = iota
	demotes         // it says that this node is a worker
	accuses         // it says that this node was removed
	serves          // it serves the cluster, with this node as one of it
)

// errDemoted ends a manager's part that has lost the others, who call the node a worker.
// It was demoted while it was away, or promoted behind the back of those who were forced
// to go on or restored from a snapshot: then no database will say so.
var errDemoted = errors.New("the other managers call this node a worker")

// removed says whether the others say that this node was removed.
func (n *process) removed(ctx context.Context) bool { return n.opinion(ctx) == accuses }

// opinion is what the others think of this node. One that serves the cluster and answers
// this node as one of it is believed more than any that says otherwise: that may be one
// that was forced to go on alone behind the others' back.
func (n *process) opinion(ctx context.Context) opinion {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	others := n.others()
	answers := make(chan opinion, len(others))
	for _, address := range others {
		asking.Go(func() { answers <- n.opinionOf(ctx, address) })
	}
	weightiest := silent
	for range others {
		if weightiest = max(weightiest, <-answers); weightiest == serves {
			break
		}
	}
	return weightiest
}

func (n *process) opinionOf(ctx context.Context, address string) opinion {
	answer, err := exchange(ctx, n.credentials.Client(), http.MethodGet, "https://"+address+managers.Alive(n.apart()), nil)
	switch {
	case api.ReasonOf(err) == api.ReasonRemoved:
		return accuses
	case api.ReasonOf(err) == api.ReasonDemoted:
		return demotes
	case api.ReasonOf(err) == api.ReasonSplit:
		n.log.Error("a manager was forced to go on alone (--force-new-cluster) while this one had a quorum, and is another cluster now: stop orc on it, "+
			"and let it join again with an empty data directory", zap.String("manager", address))
	case api.CodeOf(err) == api.CodeUnauthorized, isShutOut(err):
		n.log.Warn("a manager answers, but not this node: it may have been removed and the CA replaced since; to join again, empty the data directory",
			zap.String("manager", address), zap.Error(err))
	}
	var alive struct {
		Connected bool `json:"connected"`
	}
	if err == nil && json.Unmarshal(answer, &alive) == nil && alive.Connected {
		return serves
	}
	return silent
}

package etcd

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/orc-project/orc/sleep"
)

// afterElection is how long a transaction that was on its way while a new leader
// was elected may still take; attemptTime is how long it may take when there was none.
// Most take milliseconds.
const (
	afterElection = 200 * time.Millisecond
	attemptTime   = 2 * time.Second
)

// errElected and errLate end an attempt whose leader was replaced, or that has no answer
// yet. Its transaction may have been written all the same.
var (
	errElected = errors.New("the managers have elected a new leader")
	errLate    = errors.New("the managers do not answer")
)

// propose sends a transaction. etcd forgets what was on its way to a leader that is
// gone, or that was lost on the way, and would tell so only after seconds: here the
// attempt ends soon after the next leader was elected, with errElected, and after
// attemptTime, if that is not 0, with errLate.
func (s *Store) propose(ctx context.Context, attemptTime time.Duration, compares []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	attempt, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if attemptTime > 0 {
		defer time.AfterFunc(attemptTime, func() { cancel(errLate) }).Stop()
	}
	_, elected := s.Seat.Leading()
	go func() {
		select {
		case <-elected:
		case <-attempt.Done():
			return
		}
		if sleep.For(attempt, afterElection) == nil {
			cancel(errElected)
		}
	}()
	response, err := s.Client.Txn(attempt).If(compares...).Then(then...).Else(otherwise...).Commit()
	if cause := context.Cause(attempt); err != nil && open(cause) {
		return nil, cause
	}
	return response, err
}

// open says whether an attempt ended without its fate being known, and another one may
// go better.
func open(err error) bool { return errors.Is(err, errElected) || errors.Is(err, errLate) }

// read asks again when an election came between, which changes nothing for a
// reader.
func (s *Store) read(ctx context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	for {
		response, err := s.Client.Get(ctx, key, options...)
		if err == nil || !errors.Is(err, rpctypes.ErrLeaderChanged) || ctx.Err() != nil {
			return response, err
		}
	}
}

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
// was elected may still take.
const afterElection = 200 * time.Millisecond

// errElected ends an attempt whose leader was replaced. Its transaction may have
// been written all the same.
var errElected = errors.New("the managers have elected a new leader")

// propose sends a transaction. etcd forgets what was on its way to a leader that
// is gone, and would tell so only after seconds: here the attempt ends soon after
// the next leader was elected, with errElected.
func (s *Store) propose(ctx context.Context, compares []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	attempt, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
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
	if err != nil && context.Cause(attempt) == errElected {
		return nil, errElected
	}
	return response, err
}

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

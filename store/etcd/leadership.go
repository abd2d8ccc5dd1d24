package etcd

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/orc-project/orc/planted"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

const (
	// seatCheck is how often a leader looks whether its member still leads: etcd
	// tells when another is elected, but not when it steps down for want of a
	// majority.
	seatCheck = 200 * time.Millisecond
	// partingTime is what giving up the key may take when its holder cannot be
	// asked any more; it is a courtesy, for the next leader takes it anyway.
	partingTime = 2 * time.Second
)

// leadership is a term of this store's.
type leadership struct {
	store    *Store
	revision int64 // of the key
	once     sync.Once
	done     chan struct{}
}

// Campaign implements store.Store.
func (s *Store) Campaign(ctx context.Context, id string) (store.Leadership, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	for {
		_, changed := s.election.now()
		leading, seats := s.Seat.Leading()
		if leading {
			term, again, err := s.take(ctx, id)
			if err != nil {
				return nil, err
			}
			if term != nil {
				return term, nil
			}
			if again {
				continue
			}
		}
		select {
		case <-changed:
		case <-seats:
		case <-ctx.Done():
			return nil, ended(ctx)
		}
	}
}

// take writes the key if it may be taken and is still as the watch told. When it
// is not, the store knows more afterwards, and taking it is to be tried again.
func (s *Store) take(ctx context.Context, id string) (term *leadership, again bool, err error) {
	select {
	case s.taking <- struct{}{}:
		defer func() { <-s.taking }()
	case <-ctx.Done():
		return nil, false, ended(ctx)
	}
	from, _ := s.election.now()
	if !s.vacant(from) {
		return nil, false, nil
	}
	value, err := s.encodeHolder(id)
	if err != nil {
		return nil, false, err
	}
	key := s.leaderKey()
	response, err := s.propose(ctx, 0,
		[]clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", from.revision)}, []clientv3.Op{clientv3.OpPut(key, value)}, nil)
	if err != nil {
		s.retract(clientv3.Compare(clientv3.Value(key), "=", value))
		return nil, false, explain(ctx, "campaign", err)
	}
	if _, err := s.waitFor(ctx, response.Header.Revision); err != nil {
		s.retract(clientv3.Compare(clientv3.Value(key), "=", value))
		return nil, false, err
	}
	if !response.Succeeded {
		return nil, true, nil
	}
	return s.begin(response.Header.Revision), false, nil
}

// begin makes the term that taking the key at the revision began.
func (s *Store) begin(revision int64) *leadership {
	term := &leadership{store: s, revision: revision, done: make(chan struct{})}
	s.election.mu.Lock()
	s.election.term = term
	s.election.mu.Unlock()
	s.running.Go(term.guard)
	return term
}

// Commit implements store.Leadership.
func (l *leadership) Commit(ctx context.Context, tx *store.Tx) (int64, error) {
	ctx, by := planted.Fence(ctx, l)
	return l.store.commit(ctx, tx, by)
}

// Done implements store.Leadership.
func (l *leadership) Done() <-chan struct{} { return l.done }

// Resign implements store.Leadership.
func (l *leadership) Resign(ctx context.Context) error {
	ctx, leave, err := l.store.enter(ctx)
	if errors.Is(err, errClosed) {
		return nil // Close has resigned
	}
	if err != nil {
		return err
	}
	defer leave()
	if l.over() {
		return nil
	}
	l.end()
	key := l.store.leaderKey()
	_, err = l.store.Client.Txn(ctx).If(l.holds()).Then(clientv3.OpDelete(key)).Commit()
	if l.store.Seat.Writable() != nil {
		return l.store.Seat.Yield() // this one could only lead again, and write nothing
	}
	if err != nil {
		return explain(ctx, "resign", err)
	}
	return nil
}

// guard ends the term when the watch tells of another one, when the member leads
// no more, or with the store.
func (l *leadership) guard() {
	check := time.NewTimer(sleep.Next(seatCheck))
	defer check.Stop()
	for {
		holder, changed := l.store.election.now()
		leading, seats := l.store.Seat.Leading()
		switch {
		case holder.revision != l.revision:
			l.end()
		case !leading:
			l.end()
			l.store.retract(l.holds())
		}
		select {
		case <-l.done:
			return
		default:
		}
		select {
		case <-changed:
		case <-seats:
		case <-check.C:
			check.Reset(sleep.Next(seatCheck))
		case <-l.done:
			return
		case <-l.store.life.Done():
			l.end()
			l.store.retract(l.holds())
			return
		}
	}
}

// end closes done and lets this store campaign again.
func (l *leadership) end() {
	l.once.Do(func() {
		close(l.done)
		l.store.election.mu.Lock()
		defer l.store.election.mu.Unlock()
		if l.store.election.term == l {
			l.store.election.term = nil
			l.store.election.wake()
		}
	})
}

func (l *leadership) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// fenced ends the term, which etcd says is over.
func (l *leadership) fenced() error {
	l.end()
	return store.ErrFenced
}

// holds compares the key with what it is while the term lasts.
func (l *leadership) holds() clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(l.store.leaderKey()), "=", l.revision)
}

// among says the same of the key as it was read.
func (l *leadership) among(kvs []*mvccpb.KeyValue) bool {
	return len(kvs) == 1 && kvs[0].ModRevision == l.revision
}

// retract gives the key up if it is ours, without being asked to: what fails is
// only told in the log.
func (s *Store) retract(ours clientv3.Cmp) {
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	if _, err := s.Client.Txn(ctx).If(ours).Then(clientv3.OpDelete(s.leaderKey())).Commit(); err != nil {
		s.Logger.Debug("giving up leadership did not reach the others", zap.Error(err))
	}
}

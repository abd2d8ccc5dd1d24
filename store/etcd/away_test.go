package etcd_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/seal"
)

// empty is a database with nothing in it, which can be away. Its history is always
// forgotten.
type empty struct {
	etcd.Seat
	clientv3.KV
	clientv3.Watcher

	mu       sync.Mutex
	away     error
	revision int64
	elected  chan struct{}
}

func (e *empty) Leading() (bool, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return false, e.elected
}

func (e *empty) Get(context.Context, string, ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away != nil {
		return nil, e.away
	}
	return &clientv3.GetResponse{Header: &etcdserverpb.ResponseHeader{Revision: e.revision}}, nil
}

func (e *empty) Watch(context.Context, string, ...clientv3.OpOption) clientv3.WatchChan {
	told := make(chan clientv3.WatchResponse, 1)
	told <- clientv3.WatchResponse{Canceled: true, CompactRevision: 1}
	return told
}

func (e *empty) set(away error, revision int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away, e.revision = away, revision
}

func (e *empty) elect() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.elected)
	e.elected = make(chan struct{})
}

func (e *empty) open() (*etcd.Store, error) {
	return etcd.Open(context.Background(), etcd.Config{
		Client: &clientv3.Client{KV: e, Watcher: e}, Seat: e, Sealer: seal.NewRing(), Logger: zap.NewNop(),
	})
}

func TestOpenTellsThatTheDatabaseIsAway(t *testing.T) {
	for _, away := range []error{rpctypes.ErrTimeout, rpctypes.ErrNoLeader} {
		_, err := (&empty{away: away, elected: make(chan struct{})}).open()
		require.ErrorIs(t, err, store.ErrUnavailable)
	}
}

func TestALeaderThatReturnsIsNotWaitedForAnyLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &empty{revision: 1, elected: make(chan struct{})}
		s, err := e.open()
		require.NoError(t, err)
		defer s.Close()
		e.set(rpctypes.ErrNoLeader, 0)
		time.Sleep(time.Hour + 2*time.Second) // it asks every five seconds by now, and did so 0.7 s ago
		e.set(nil, 2)
		e.elect()
		began := time.Now()
		_, err = s.WaitFor(t.Context(), 2)
		require.NoError(t, err)
		require.Less(t, time.Since(began), 500*time.Millisecond)
	})
}

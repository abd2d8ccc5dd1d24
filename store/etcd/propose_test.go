package etcd_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
)

// deposed is the seat and the client of a member whose leader vanishes while the
// next transaction is on its way to it.
type deposed struct {
	etcd.Seat
	clientv3.KV
	written bool // the transaction had reached the others

	mu      sync.Mutex
	elected chan struct{}
	armed   bool
}

func (d *deposed) Leading() (bool, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	leading, _ := d.Seat.Leading()
	return leading, d.elected
}

func (d *deposed) Txn(ctx context.Context) clientv3.Txn {
	d.mu.Lock()
	defer d.mu.Unlock()
	txn := d.KV.Txn(ctx)
	if !d.armed {
		return txn
	}
	d.armed = false
	return &lost{Txn: txn, ctx: ctx, by: d}
}

// lost is a transaction whose answer never comes.
type lost struct {
	clientv3.Txn
	ctx context.Context
	by  *deposed
}

func (l *lost) If(compares ...clientv3.Cmp) clientv3.Txn { l.Txn = l.Txn.If(compares...); return l }
func (l *lost) Then(ops ...clientv3.Op) clientv3.Txn     { l.Txn = l.Txn.Then(ops...); return l }
func (l *lost) Else(ops ...clientv3.Op) clientv3.Txn     { l.Txn = l.Txn.Else(ops...); return l }

func (l *lost) Commit() (*clientv3.TxnResponse, error) {
	if l.by.written {
		if _, err := l.Txn.Commit(); err != nil {
			return nil, err
		}
	}
	l.by.mu.Lock()
	close(l.by.elected)
	l.by.elected = make(chan struct{})
	l.by.mu.Unlock()
	<-l.ctx.Done()
	return nil, l.ctx.Err()
}

func TestATransactionOutlivesTheLeaderThatItWasSentTo(t *testing.T) {
	for name, written := range map[string]bool{"it had reached the others": true, "it was lost": false} {
		t.Run(name, func(t *testing.T) {
			m := membertest.Start(t, membertest.Config(t))
			d := &deposed{Seat: m, KV: m.Client().KV, written: written, elected: make(chan struct{})}
			client := *m.Client()
			client.KV = d
			s, err := etcd.Open(t.Context(), etcd.Config{Client: &client, Seat: d, Sealer: seal.NewRing(), Logger: zap.NewNop()})
			require.NoError(t, err)
			defer s.Close()

			d.mu.Lock()
			d.armed = true
			d.mu.Unlock()
			began := time.Now()
			tx := &store.Tx{}
			tx.Create(&api.Service{Meta: api.Meta{ID: "s1"}, Name: "web"})
			revision, err := s.Commit(t.Context(), tx)
			require.NoError(t, err)
			require.Less(t, time.Since(began), 5*time.Second, "it waited for etcd to give up")
			snapshot, err := s.WaitFor(t.Context(), revision)
			require.NoError(t, err)
			service := store.Get[api.Service](snapshot, "s1")
			require.NotNil(t, service)
			require.Equal(t, revision, service.Version, "it was written once")
			_, err = s.Commit(t.Context(), tx)
			require.ErrorIs(t, err, store.ErrConflict)
		})
	}
}

package etcd_test

import (
	"context"
	"fmt"
	"strings"
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
	written bool   // the transaction had reached the others
	silent  bool   // no other leader is elected
	then    func() // what happened before the next attempt
	late    func() // delivers the lost one, if it was not written, whenever it is called

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
	if !d.armed {
		return d.KV.Txn(ctx)
	}
	d.armed = false
	txn := d.KV.Txn(context.WithoutCancel(ctx))
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
	} else {
		l.by.late = func() { _, _ = l.Txn.Commit() }
	}
	if l.by.then != nil {
		l.by.then()
	}
	l.by.mu.Lock()
	if !l.by.silent {
		close(l.by.elected)
		l.by.elected = make(chan struct{})
	}
	l.by.mu.Unlock()
	<-l.ctx.Done()
	return nil, l.ctx.Err()
}

// depose opens a store whose leader can vanish.
func depose(t *testing.T) (*etcd.Store, *deposed) {
	t.Helper()
	m := membertest.Start(t, membertest.Config(t))
	d := &deposed{Seat: m, KV: m.Client().KV, elected: make(chan struct{})}
	client := *m.Client()
	client.KV = d
	s, err := etcd.Open(t.Context(), etcd.Config{Client: &client, Seat: d, Sealer: seal.NewRing(), Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, d
}

// arm has the leader vanish with the next transaction, which was written or not, and
// then something else happen before it is sent again.
func (d *deposed) arm(written bool, then func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed, d.written, d.then = true, written, then
}

// What was written, and then written over or removed by somebody else, must not be
// written again, nor be said not to have been.
func TestATransactionThatOthersWroteOverIsNotRepeated(t *testing.T) {
	var s *etcd.Store
	commit := func(edit func(*store.Tx)) (*store.Snapshot, error) {
		tx := &store.Tx{}
		edit(tx)
		revision, err := s.Commit(t.Context(), tx)
		if err != nil {
			return nil, err
		}
		return s.WaitFor(t.Context(), revision)
	}
	newest := func() *store.Snapshot {
		revision, err := s.Linearized(t.Context())
		require.NoError(t, err)
		snapshot, err := s.WaitFor(t.Context(), revision)
		require.NoError(t, err)
		return snapshot
	}
	// rename is an update of what there is now.
	rename := func(name string) (*store.Snapshot, error) {
		service := *store.Get[api.Service](newest(), "s1")
		service.Name = name
		return commit(func(tx *store.Tx) { tx.Update(&service) })
	}
	create := func() (*store.Snapshot, error) {
		return commit(func(tx *store.Tx) { tx.Create(&api.Service{Meta: api.Meta{ID: "s1"}, Name: "first"}) })
	}
	overwrite := func() {
		for _, name := range []string{"theirs", "theirs too"} {
			_, err := rename(name)
			require.NoError(t, err)
		}
	}
	remove := func() {
		_, err := commit(func(tx *store.Tx) { tx.Remove(api.KindService, "s1") })
		require.NoError(t, err)
	}
	for name, c := range map[string]struct {
		lost   func() (*store.Snapshot, error)
		others func()
	}{
		"an update, written over": {func() (*store.Snapshot, error) { return rename("ours") }, overwrite},
		"an update, removed":      {func() (*store.Snapshot, error) { return rename("ours") }, remove},
		"a creation":              {create, overwrite},
		"a creation, removed":     {create, remove},
	} {
		for _, written := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, written %t", name, written), func(t *testing.T) {
				var d *deposed
				s, d = depose(t)
				creates := strings.Contains(name, "creation")
				if !creates {
					_, err := create()
					require.NoError(t, err)
				}
				removed := strings.HasSuffix(name, "removed")
				d.arm(written, func() {
					if creates && !written {
						_, err := create()
						require.NoError(t, err)
					}
					c.others()
				})
				snapshot, err := c.lost()
				switch {
				case written:
					require.NoError(t, err)
				case creates && removed:
					require.NoError(t, err, "it is the first that is written")
					remove()
					d.late()
					snapshot = newest()
				default:
					require.ErrorIs(t, err, store.ErrConflict)
					d.late()
					snapshot = newest()
				}
				left := store.Get[api.Service](snapshot, "s1")
				if removed {
					require.Nil(t, left)
				} else {
					require.Equal(t, "theirs too", left.Name)
				}
			})
		}
	}
}

func TestFencesDoNotStandForEver(t *testing.T) {
	s, d := depose(t)
	fences := func() int {
		found, err := d.KV.Get(t.Context(), etcd.DefaultPrefix+"fence/", clientv3.WithPrefix())
		require.NoError(t, err)
		return len(found.Kvs)
	}
	d.arm(false, nil)
	tx := &store.Tx{}
	tx.Create(&api.Service{Meta: api.Meta{ID: "s1"}, Name: "web"})
	_, err := s.Commit(t.Context(), tx)
	require.NoError(t, err)
	require.Equal(t, 1, fences())
	revision := s.SweepOnce(0)
	require.Equal(t, 1, fences(), "it may be new")
	s.SweepOnce(revision)
	require.Zero(t, fences())

	tx = &store.Tx{}
	tx.Remove(api.KindService, "s1")
	_, err = s.Commit(t.Context(), tx)
	require.NoError(t, err)
	d.late()
	left, err := s.Linearized(t.Context())
	require.NoError(t, err)
	snapshot, err := s.WaitFor(t.Context(), left)
	require.NoError(t, err)
	require.Nil(t, store.Get[api.Service](snapshot, "s1"), "what the fence kept out is out")
}

func TestATransactionOutlivesTheLeaderThatItWasSentTo(t *testing.T) {
	for name, c := range map[string]struct{ written, silent bool }{
		"it had reached the others":              {written: true},
		"it was lost":                            {},
		"it had, and no leader was elected":      {written: true, silent: true},
		"it was lost, and no leader was elected": {silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := depose(t)
			d.silent = c.silent
			d.arm(c.written, nil)
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

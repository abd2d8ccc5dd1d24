package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
	"github.com/orc-project/orc/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// backend gives each test a part of one member's database.
type backend struct {
	member *member.Member
	ring   *seal.Ring
	prefix string
}

func (b backend) config(t testing.TB) etcd.Config {
	return etcd.Config{Client: b.member.Client(), Seat: b.member, Sealer: b.ring, Logger: zap.NewNop(), Prefix: b.prefix}
}

func (b backend) Open(t *testing.T) storetest.Process { return open(t, b.config(t)) }

func (b backend) Depose(t *testing.T) {
	_, err := b.member.Client().Delete(patient(t), b.prefix+"leader")
	require.NoError(t, err)
}

func open(t testing.TB, config etcd.Config) *etcd.Store {
	t.Helper()
	s, err := etcd.Open(patient(t), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// start runs a member and a store on it.
func start(t testing.TB) (backend, *etcd.Store) {
	t.Helper()
	b := backend{member: membertest.Start(t, membertest.Config(t)), ring: seal.NewRing(), prefix: etcd.DefaultPrefix}
	return b, open(t, b.config(t))
}

func TestConformance(t *testing.T) {
	shared := backend{member: membertest.Start(t, membertest.Config(t)), ring: seal.NewRing()}
	count := 0
	storetest.Run(t, func(*testing.T) storetest.Backend {
		count++
		b := shared
		b.prefix = fmt.Sprintf("/test-%d/", count)
		return b
	})
}

func commit(t testing.TB, s interface {
	Commit(context.Context, *store.Tx) (int64, error)
}, objects ...api.Object) int64 {
	t.Helper()
	var tx store.Tx
	for _, object := range objects {
		tx.Set(object)
	}
	revision, err := s.Commit(patient(t), &tx)
	require.NoError(t, err)
	return revision
}

func task(id, reason string) *api.Task { return &api.Task{Meta: api.Meta{ID: id}, Reason: reason} }

func TestAnOldValueUnderAnotherKeyIsRefused(t *testing.T) {
	b, s := start(t)
	commit(t, s, task("t1", "one"))
	client := b.member.Client()
	got, err := client.Get(patient(t), "/orc/object/task/t1")
	require.NoError(t, err)
	_, err = client.Put(patient(t), "/orc/object/task/t2", string(got.Kvs[0].Value))
	require.NoError(t, err)
	_, err = etcd.Open(patient(t), b.config(t))
	require.ErrorIs(t, err, seal.ErrDamaged)
}

func TestAReaderThatCannotOpenAValueGoesOnWhenItCan(t *testing.T) {
	b, s := start(t)
	w := s.Watch()
	defer w.Close()
	_, err := w.Next(patient(t))
	require.NoError(t, err)
	client := b.member.Client()
	_, err = client.Put(patient(t), "/orc/object/task/t1", "garbage")
	require.NoError(t, err)
	_, err = client.Delete(patient(t), "/orc/object/task/t1")
	require.NoError(t, err)
	last, err := client.Get(patient(t), "/orc/leader")
	require.NoError(t, err)
	// The value is history, which the reader need not know once it is compacted.
	_, err = client.Compact(patient(t), last.Header.Revision)
	require.NoError(t, err)
	revision := commit(t, s, task("t2", "two"))
	_, err = s.WaitFor(patient(t), revision)
	require.NoError(t, err)
	update, err := w.Next(patient(t))
	require.NoError(t, err)
	require.Len(t, update.Changes, 1)
	require.Equal(t, "t2", update.Changes[0].ID)
}

func TestRotatedKeysOpenOldAndNewValues(t *testing.T) {
	b, s := start(t)
	commit(t, s, task("t1", "one"))
	require.NoError(t, b.ring.Use(b.ring.Add()))
	commit(t, s, task("t2", "two"))
	require.Equal(t, 2, store.Count[api.Task](open(t, b.config(t)).Snapshot()))
}

func TestManyObjectsAreListedInPages(t *testing.T) {
	b, s := start(t)
	const count, batch = 2500, 500
	for from := 0; from < count; from += batch {
		var objects []api.Object
		for i := from; i < from+batch; i++ {
			objects = append(objects, &api.Network{Meta: api.Meta{ID: fmt.Sprintf("n%05d", i)}, Name: fmt.Sprint("net", i)})
		}
		commit(t, s, objects...)
	}
	fresh := open(t, b.config(t)).Snapshot()
	require.Equal(t, count, store.Count[api.Network](fresh))
	require.NotNil(t, store.First[api.Network](fresh, store.ByName, "net2499"))
}

func TestASingleManagerLeadsAgainRightAfterItsDeath(t *testing.T) {
	config := membertest.Config(t)
	ring := seal.NewRing()
	first, err := member.Start(patient(t), config)
	require.NoError(t, err)
	b := backend{member: first, ring: ring}
	dead := open(t, b.config(t))
	old, err := dead.Campaign(patient(t), "node1")
	require.NoError(t, err)
	commit(t, old, task("t1", "one"))
	// What a killed process leaves behind: its key. Here it is put back after the
	// store's end took it away.
	key, err := first.Client().Get(patient(t), "/orc/leader")
	require.NoError(t, err)
	require.NoError(t, dead.Close())
	_, err = first.Client().Put(patient(t), "/orc/leader", string(key.Kvs[0].Value))
	require.NoError(t, err)
	require.NoError(t, first.Stop())

	b.member = membertest.Start(t, config)
	again := open(t, b.config(t))
	leader, err := again.Leader(patient(t))
	require.NoError(t, err)
	require.Equal(t, "node1", leader, "the stale key is there")
	began := time.Now()
	leadership, err := again.Campaign(patient(t), "node1")
	require.NoError(t, err)
	t.Logf("led again after %s", time.Since(began))
	commit(t, leadership, task("t2", "two"))
	_, err = old.Commit(patient(t), new(store.Tx))
	require.Error(t, err)
}

// TestAnIdleStoreWritesNothing looks at the log, in which every write, lease and
// election would be an entry.
func TestAnIdleStoreWritesNothing(t *testing.T) {
	b, s := start(t)
	leadership, err := s.Campaign(patient(t), "node1")
	require.NoError(t, err)
	deadline, other := patient(t), open(t, b.config(t))
	revision := commit(t, leadership, task("t1", "one"))
	_, err = other.WaitFor(patient(t), revision)
	require.NoError(t, err)
	w := other.Watch()
	defer w.Close()
	_, err = w.Next(patient(t))
	require.NoError(t, err)
	// A new member writes its version a little later. After that, nothing.
	for written := true; written; {
		before := b.member.Applied()
		ctx, cancel := context.WithTimeout(patient(t), 4*time.Second) // many heartbeats, several elections
		_, err = w.Next(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		for range 10 {
			_, err = other.Linearized(patient(t))
			require.NoError(t, err)
		}
		written = b.member.Applied() != before
		require.NoError(t, deadline.Err(), "something writes all the time")
	}
}

func TestAFullDatabaseSaysSo(t *testing.T) {
	config := membertest.Config(t)
	config.Quota = 16 << 20
	b := backend{member: membertest.Start(t, config), ring: seal.NewRing()}
	s := open(t, b.config(t))
	big := string(make([]byte, 1<<20))
	var err error
	for i := 0; err == nil; i++ {
		require.Less(t, i, 1000, "the quota is not kept")
		var tx store.Tx
		tx.Set(task("t1", big))
		_, err = s.Commit(patient(t), &tx)
	}
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorContains(t, err, "full")
	require.NotErrorIs(t, err, store.ErrUnwritten, "it was sent")
	_, err = s.Linearized(patient(t))
	require.NoError(t, err)
}

// TestUsersLeaveTheClusterItsRoom fills a database as users can: who leads and what
// nodes tell is written all the same, and what is removed makes room for others.
func TestUsersLeaveTheClusterItsRoom(t *testing.T) {
	config := membertest.Config(t)
	config.Quota = 32 << 20
	b := backend{member: membertest.Start(t, config), ring: seal.NewRing()}
	s := open(t, b.config(t))
	fill := func(from int) (made int) {
		for ; ; made++ {
			require.Less(t, made, 100, "the quota is not kept")
			var tx store.Tx
			name := fmt.Sprint("c", from+made)
			tx.Set(&api.Config{Meta: api.Meta{ID: name}, Spec: api.FileSpec{Name: name, Data: make([]byte, 1<<20)}})
			var err error
			require.Eventually(t, func() bool {
				_, err = s.Commit(patient(t), &tx)
				return !errors.Is(err, store.ErrUnavailable) // then it is making room
			}, time.Minute, 20*time.Millisecond)
			if err != nil {
				require.ErrorIs(t, err, store.ErrFull)
				require.ErrorIs(t, err, store.ErrUnwritten)
				return made
			}
		}
	}
	first := fill(0)
	require.Greater(t, first, 16, "most of it is the users'")
	term, err := s.Campaign(patient(t), "node1")
	require.NoError(t, err)
	for i := range 300 {
		commit(t, term, task("t", fmt.Sprint(i)))
		commit(t, s, &api.TaskStatus{Meta: api.Meta{ID: "t"}, Message: fmt.Sprint(i)})
	}
	require.NoError(t, term.Resign(patient(t)))

	var tx store.Tx
	for i := range 10 {
		tx.Remove(api.KindConfig, fmt.Sprint("c", i))
	}
	_, err = s.Commit(patient(t), &tx)
	require.NoError(t, err)
	wait := patient(t)
	for made := first; made < first+5; made += fill(made) { // what is removed makes room little by little
		require.NoError(t, sleep.For(wait, 50*time.Millisecond), "no room was made")
	}
}

func TestACompactedHistoryIsReadAnew(t *testing.T) {
	b, s := start(t)
	commit(t, s, task("kept", "one"), task("changed", "one"), task("gone", "one"))
	config := b.config(t)
	held := &heldWatcher{Watcher: b.member.Client().Watcher, released: make(chan struct{})}
	client := *b.member.Client()
	client.Watcher = held
	config.Client = &client
	slow := open(t, config)
	w := slow.Watch()
	defer w.Close()
	first, err := w.Next(patient(t))
	require.NoError(t, err)
	kept := store.Get[api.Task](first.Snapshot, "kept")

	var tx store.Tx
	tx.Remove(api.KindTask, "gone")
	_, err = s.Commit(patient(t), &tx)
	require.NoError(t, err)
	revision := commit(t, s, task("changed", "two"), task("new", "two"))
	_, err = b.member.Client().Compact(patient(t), revision)
	require.NoError(t, err)
	close(held.released)
	got, err := slow.WaitFor(patient(t), revision)
	require.NoError(t, err)
	require.Same(t, kept, store.Get[api.Task](got, "kept"), "what did not change stays")
	update, err := w.Next(patient(t))
	require.NoError(t, err)
	var ids []string
	for _, change := range update.Changes {
		ids = append(ids, change.ID)
	}
	require.ElementsMatch(t, []string{"changed", "gone", "new"}, ids)
	revision = commit(t, s, task("later", "three"))
	_, err = slow.WaitFor(patient(t), revision)
	require.NoError(t, err)
}

// heldWatcher begins no watch before it is let go.
type heldWatcher struct {
	clientv3.Watcher
	released chan struct{}
}

func (h *heldWatcher) Watch(ctx context.Context, key string, options ...clientv3.OpOption) clientv3.WatchChan {
	select {
	case <-h.released:
	case <-ctx.Done():
	}
	return h.Watcher.Watch(ctx, key, options...)
}

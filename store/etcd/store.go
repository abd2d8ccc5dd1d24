// Package etcd is the store's contract on etcd: each object is a sealed value
// under its kind and ID, each commit one etcd transaction, and one watch per
// process keeps the snapshot. It writes only what is committed, who leads, and what
// ends a commit whose answer was lost; while nothing happens it writes nothing. It never reads a value to answer a
// question: reads come from the snapshot.
//
// # Keys
//
//	/orc/object/KIND/ID    an object
//	/orc/name/KIND/TAG     whose ID has the name that TAG stands for
//	/orc/leader            the election
//	/orc/fence/ID          what ends an attempt to commit; /orc/swept when some were removed
//
// Nothing else may write under the prefix: the snapshot's revision follows etcd's
// because every change of etcd's is one that the watch tells.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Config is what a store stands on. The client and the seat are those of one
// member, which must outlive the store.
type Config struct {
	Client *clientv3.Client
	Seat   Seat
	Sealer Sealer
	Logger *zap.Logger
	// Prefix of all keys; "" means DefaultPrefix.
	Prefix string
}

// DefaultPrefix is before all keys.
const DefaultPrefix = "/orc/"

// Sealer encrypts values. where is the key a value is stored under; what was
// sealed for another does not open. *seal.Ring is one.
type Sealer interface {
	Seal(where string, value []byte) []byte
	Open(where string, sealed []byte) ([]byte, error)
	// Stale says whether another key sealed the value than would now.
	Stale(sealed []byte) bool
	// Tag stands for a name without telling it.
	Tag(kind, name string) string
}

// Seat is the member's place among the managers. *member.Member is one.
type Seat interface {
	// Leading says whether the member leads the database, and returns a channel
	// that is closed when another member is elected.
	Leading() (bool, <-chan struct{})
	// Yield lets another member lead, if there is one.
	Yield() error
	// Incarnation tells this run of the member from its earlier ones.
	Incarnation() string
	// Writable returns an error when a commit cannot succeed, as on a full disk.
	Writable() error
	// Roomy returns store.ErrFull when there is room only for what the cluster itself
	// needs, and not for bytes of a user.
	Roomy(bytes int) error
}

// Store is the database as this process sees it.
type Store struct {
	Config
	process  string // random: tells this store from others
	feed     *store.Feed
	election election
	lapse    lapse
	probes   probes
	taking   chan struct{}      // holds one token while a candidate takes the key
	life     context.Context    // until Close
	cancel   context.CancelFunc // of life
	entering sync.RWMutex       // orders running.Add before Close's running.Wait
	running  sync.WaitGroup     // goroutines and calls
	closing  sync.Once
}

var _ store.Store = (*Store)(nil)

// Open reads the database and follows it until Close. It fails when a value
// cannot be opened or decoded, and with ErrUnavailable when the database does not
// answer, as amid an election.
func Open(ctx context.Context, config Config) (*Store, error) {
	if config.Prefix == "" {
		config.Prefix = DefaultPrefix
	}
	config.Logger = config.Logger.Named("store")
	s := &Store{Config: config, process: api.NewID(), taking: make(chan struct{}, 1)}
	s.election.changed = make(chan struct{})
	s.life, s.cancel = context.WithCancel(context.Background())
	r := &reader{Store: s}
	snapshot, err := r.list(ctx)
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("read the database: %w", err)
	}
	s.feed = store.NewFeed(snapshot)
	s.running.Go(func() { r.run(s.life) })
	s.running.Go(s.sweep)
	return s, nil
}

// Close resigns, ends all that waits with ErrUnavailable, and returns when
// nothing of the store runs any more. The client stays open. It always returns
// nil.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.entering.Lock()
		s.cancel()
		s.entering.Unlock()
		s.feed.Close()
		s.running.Wait()
	})
	return nil
}

// Snapshot implements store.Store.
func (s *Store) Snapshot() *store.Snapshot { return s.feed.Snapshot() }

// WaitFor implements store.Store.
func (s *Store) WaitFor(ctx context.Context, revision int64) (*store.Snapshot, error) {
	return s.feed.WaitFor(ctx, revision)
}

// Watch implements store.Store.
func (s *Store) Watch() store.Watcher { return s.feed.Watch() }

// Linearized implements store.Store. It costs the members a round of messages
// and no write.
func (s *Store) Linearized(ctx context.Context) (int64, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	response, err := s.read(ctx, s.leaderKey(), clientv3.WithCountOnly())
	if err != nil {
		return 0, explain(ctx, "read from the database", err)
	}
	return response.Header.Revision, nil
}

// Leader implements store.Store.
func (s *Store) Leader(ctx context.Context) (string, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	response, err := s.read(ctx, s.leaderKey())
	if err != nil {
		return "", explain(ctx, "read who leads", err)
	}
	if len(response.Kvs) == 0 {
		return "", nil
	}
	holder, err := s.decodeHolder(response.Kvs[0])
	return holder.ID, err
}

// errClosed is why contexts of calls end when the store is closed.
var errClosed = fmt.Errorf("closed: %w", store.ErrUnavailable)

// enter begins a call: its context ends with the caller's or with the store.
// The call is over when leave is called.
func (s *Store) enter(ctx context.Context) (inner context.Context, leave func(), err error) {
	s.entering.RLock()
	defer s.entering.RUnlock()
	if s.life.Err() != nil {
		return nil, nil, errClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.running.Add(1)
	inner, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(errClosed) })
	return inner, func() {
		stop()
		cancel(nil)
		s.running.Done()
	}, nil
}

// ended says why a context of enter has ended, or nil if it has not.
func ended(ctx context.Context) error {
	if context.Cause(ctx) == errClosed {
		return errClosed
	}
	return ctx.Err()
}

// explain turns etcd's errors into the store's: the caller's own context's, or
// ErrUnavailable with the reason.
func explain(ctx context.Context, doing string, err error) error {
	if ended := ended(ctx); ended != nil {
		return ended
	}
	for _, known := range explanations {
		if errors.Is(err, known.err) {
			return fmt.Errorf("%s: %w: %s", doing, store.ErrUnavailable, known.text)
		}
	}
	return fmt.Errorf("%s: %w: %w", doing, store.ErrUnavailable, err)
}

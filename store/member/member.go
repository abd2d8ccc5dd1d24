// Package member runs this manager's part of the database: an etcd member inside
// the process. Clients reach it by function calls only; other members over
// mutual TLS. It knows nothing of what is stored, and never opens a port for
// clients.
package member

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/store"
)

// Member is a running member.
type Member struct {
	dir         string
	incarnation string
	etcd        *embed.Etcd
	port        *port
	client      *clientv3.Client
	lock        *os.File
	log         *zap.Logger
	stopping    *atomic.Bool
	removed     *atomic.Bool
	added       atomic.Int64 // bytes, see Roomy
	full        atomic.Bool  // see Writable
	hashes      *hashes      // upkeep's
	damaged     atomic.Bool
	wrong       atomic.Pointer[error]
	cancel      context.CancelFunc // of upkeep
	running     sync.WaitGroup     // upkeep
	once        sync.Once
	stopped     error
	done        chan struct{}
}

// Start makes the directory's member run, or a new one if there is none, and
// returns when it can serve: at once when alone, else when most members agree.
// Ending ctx later has no effect; Stop ends the member.
func Start(ctx context.Context, config Config) (*Member, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	lock, err := claim(config.Dir, config.Cluster, config.Name)
	if err != nil {
		return nil, err
	}
	m := &Member{
		dir: config.Dir, incarnation: api.NewID(), lock: lock,
		log: config.Logger.Named("database"), stopping: new(atomic.Bool), removed: new(atomic.Bool), done: make(chan struct{}), cancel: func() {},
	}
	if err := m.start(ctx, config); err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

func (m *Member) start(ctx context.Context, config Config) error {
	translated, err := config.etcd(lower(m.log, m.stopping, m.removed))
	if err != nil {
		return err
	}
	if err := free(m.dir, minFree); err != nil {
		return api.Errorf(api.CodeUnavailable, "start the database: %w", err)
	}
	if m.port, err = listen(config.Listen, config.TLS); err != nil {
		return explain(err, config)
	}
	if len(config.Peers) > 0 && !Exists(m.dir) {
		if err := enter(m.dir); err != nil {
			return err
		}
	}
	if m.etcd, err = launch(translated, m.dir); err != nil {
		m.etcd = nil // it has closed itself
		return explain(err, config)
	}
	go m.follow()
	if err := m.port.serve(etcdhttp.NewPeerHandler(translated.GetLogger(), m.etcd.Server), m, limit.NewGate(config.Limits), m.log); err != nil {
		return err
	}
	select {
	case <-m.etcd.Server.ReadyNotify():
	case <-m.done:
		return fmt.Errorf("start the database: %w", m.Err())
	case <-ctx.Done():
		return fmt.Errorf("start the database: most of its members do not answer: %w", ctx.Err())
	}
	if err := entered(m.dir); err != nil {
		return err
	}
	m.client = v3client.New(m.etcd.Server)
	if err := m.relocate(ctx, config.Advertise); err != nil {
		return err
	}
	if m.hashes, err = newHashes(m.etcd, translated); err != nil {
		return err
	}
	if err := (&keeper{Member: m}).step(ctx); err != nil {
		return err
	}
	keeping, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	m.running.Go(func() { m.upkeep(keeping) })
	return nil
}

// follow closes done when the member ends, by Stop or by itself. Then nobody is heard any
// more, and what is still to be sent goes nowhere: etcd waits until it is sent, and to a
// manager that hears nothing that would take seconds.
func (m *Member) follow() {
	defer m.port.cut()
	defer close(m.done)
	select {
	case err := <-m.etcd.Err():
		if err != nil && !m.stopping.Load() {
			m.log.Error("the database failed", zap.Error(err))
		}
	case <-m.etcd.Server.StoppingNotify():
	}
}

// Client reaches the member within the process. It is the member's: do not close
// it. store/etcd takes it.
func (m *Member) Client() *clientv3.Client { return m.client }

// Done is closed when the member ends, by Stop or because it failed or was removed from
// the cluster.
func (m *Member) Done() <-chan struct{} { return m.done }

// ended says whether Done is closed. Such a member may go on to think that it leads.
func (m *Member) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// Err says why the member ended by itself, once Done is closed: store.ErrRemoved, or
// ErrUnavailable.
func (m *Member) Err() error {
	if m.removed.Load() {
		return store.ErrRemoved
	}
	return fmt.Errorf("it stopped: %w", store.ErrUnavailable)
}

// Recheck ends the connections from others that would not be let in now: it is for
// when what TLS.Verify or TLS.Removed says has changed.
func (m *Member) Recheck() { m.port.recheck(m.Known()) }

// Stop hands leadership to another member, if there is one, writes what is left
// to disk and returns when all is over. The stores on the member must be closed
// before. Stopping twice is no error.
func (m *Member) Stop() error {
	m.once.Do(func() {
		m.stopping.Store(true)
		m.cancel()
		m.running.Wait()
		if m.hashes != nil {
			m.hashes.client.CloseIdleConnections()
		}
		if m.client != nil {
			if err := m.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
				m.stopped = fmt.Errorf("stop the database: %w", err)
			}
		}
		if m.etcd != nil {
			m.etcd.Close()
			<-m.done
		}
		m.stopped = errors.Join(m.stopped, m.port.close())
		m.stopped = errors.Join(m.stopped, m.lock.Close())
	})
	return m.stopped
}

// explain says what a failed start means to a person.
func explain(err error, config Config) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return api.Conflictf("the address %s for other managers is taken by another program: stop it, or choose another address", config.Listen)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return api.Invalidf("the address %s for other managers is not one of this host's", config.Listen)
	case errors.Is(err, syscall.ENOSPC):
		return api.Errorf(api.CodeUnavailable, "start the database: the disk of %s is full", config.Dir)
	}
	return fmt.Errorf("start the database: %w", err)
}

// Package managers is what one manager knows of the others and does with them: it
// notices who is there, lets new ones in and old ones go without ever losing the
// quorum, and passes streams on to the one that holds a node's session.
//
// It decides nothing about services and keeps no state of its own: who is a
// manager, the database says (api.Node.Role), and what differs from that among the
// database's members the leader puts right.
//
//	api.Node ──(role manager)──▶ Enter: learner ──(caught up)──▶ voter
//	    └─────(worker, removed)──────────────────────────────────▶ no member
package managers

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/hosts"
	"github.com/orc-project/orc/store"
)

// Config is what Managers needs.
type Config struct {
	Store store.Store
	// Node is this manager's own node ID.
	Node string
	// Credentials are this manager's; they may be replaced meanwhile.
	Credentials *ca.Credentials
	// Members are the database's; nil means that there is but this one manager.
	Members store.Membership
	// Keys returns what a new manager opens the database with.
	Keys func() ([]byte, error)
	// Ask asks a manager's host whether it is there; nil means that nobody knows how.
	Ask hosts.Ask
}

// Managers are the cluster's managers, as one of them sees them.
type Managers struct {
	config    Config
	log       *zap.Logger
	transport *transport
	entering  chan struct{} // of one place: one at a time changes the members here

	// ping asks a manager whether it is there; tests have another one.
	ping func(ctx context.Context, address string, answer *alive) error

	mu     sync.Mutex
	peers  map[string]*peer // by node ID, this one not among them
	floors map[string]int64 // what others said last of their nodes
	// outlived is when managers were heard last, by name, that this cluster was forced to go
	// on without and that were alive; see Splits.
	outlived map[string]time.Time
	apart    time.Time // since when Connected is false; zero when it is true
	// early has the nodes that are down since a time to come, by the clock of the
	// manager that wrote it, and when that was first seen here.
	early map[string]time.Time

	wanted, heard chan struct{} // see Floor
	broken        chan struct{} // wakes watchPeers

	asking sync.WaitGroup // requests to them
}

// New makes Managers, which look after each other while Run runs.
func New(config Config, log *zap.Logger) *Managers {
	m := &Managers{
		config: config, log: log.Named("managers"), peers: make(map[string]*peer),
		floors: make(map[string]int64), early: make(map[string]time.Time), outlived: make(map[string]time.Time),
		entering: make(chan struct{}, 1), wanted: make(chan struct{}, 1), heard: make(chan struct{}, 1), broken: make(chan struct{}, 1),
	}
	m.ping = m.askAlive
	m.transport = newTransport(config.Credentials, m.closed)
	return m
}

// turn waits for its turn to change the members, until leave is called.
func (m *Managers) turn(ctx context.Context) (leave func(), err error) {
	select {
	case m.entering <- struct{}{}:
		return func() { <-m.entering }, nil
	case <-ctx.Done():
		return nil, away(ctx.Err())
	}
}

// Run notices who is there until ctx ends.
func (m *Managers) Run(ctx context.Context) error {
	defer m.transport.CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return m.watchPeers(ctx) })
	group.Go(func() error { return m.watchFloors(ctx) })
	return group.Wait()
}

// Connected says whether this manager can read what is newest: whether it is one of
// those that agree on a leader. Whether it can write too, Fit says.
func (m *Managers) Connected() bool {
	return m.config.Members == nil || m.config.Members.Leader() != 0
}

// Apart is for how long Connected has been false; 0 when it is true.
func (m *Managers) Apart() time.Duration {
	if m.Connected() {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.apart.IsZero() {
		return 0
	}
	return time.Since(m.apart)
}

// noteApart keeps Apart up to date.
func (m *Managers) noteApart(now time.Time, timeout time.Duration) {
	connected := m.Connected()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case connected && !m.apart.IsZero():
		m.regain(now, now.Sub(m.apart) >= timeout)
		m.apart = time.Time{}
	case connected:
	case m.apart.IsZero():
		m.apart = now
	}
}

// State is how a manager is seen from here. leader is the ID of the node that
// leads.
func (m *Managers) State(node *api.Node, leader string) api.ManagerState {
	switch {
	case node.Role != api.RoleManager:
		return ""
	case m.hasSplit(node.ID):
		return api.ManagerSplit
	case !m.Alive(node.ID) && m.entered(node.ID) == nil:
		return api.ManagerJoining
	case !m.Alive(node.ID):
		return api.ManagerUnreachable
	case m.readOnly(node.ID) != "":
		return api.ManagerReadOnly
	case node.ID == leader:
		return api.ManagerLeader
	case m.config.Members == nil:
		return api.ManagerReachable
	}
	if member := m.entered(node.ID); member == nil || member.Learner {
		return api.ManagerLearner
	}
	return api.ManagerReachable
}

// entered is a manager's member of the database; nil while it has none that has run.
func (m *Managers) entered(node string) *store.Member {
	if m.config.Members == nil {
		return &store.Member{Name: node}
	}
	for _, each := range m.config.Members.Known() {
		if each.Name == node {
			return &each
		}
	}
	return nil
}

// all are the nodes that are managers.
func all(snapshot *store.Snapshot) map[string]*api.Node {
	found := make(map[string]*api.Node)
	for node := range store.All[api.Node](snapshot) {
		if node.Role == api.RoleManager {
			found[node.ID] = node
		}
	}
	return found
}

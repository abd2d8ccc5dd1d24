// Package session is the manager's end of the nodes' sessions (see api/wire):
// assignments go out, statuses come in, and a node is up while its session is.
//
// It decides nothing about tasks and never runs anything. Heartbeats stay in
// memory: only a node's transitions and its tasks' statuses are written. A node
// gets what its own tasks need, and nothing else, whatever it asks for.
//
//	store ─watch─▶ Dispatcher ─changed IDs─▶ session ─Down─▶ node
//	store ◀─group commit─ scribe ◀─validated─ session ◀─Up─ node
package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/hosts"
	"github.com/orc-project/orc/store"
)

// Config is what a Dispatcher needs.
type Config struct {
	Store store.Store
	// Node is this manager's own node ID.
	Node string
	// Fit says why what nodes tell does not reach the database, while it may through
	// another manager; nil means that it always does.
	Fit func() error
	// Relay opens a stream to a node whose session another manager holds; nil means
	// that there is no other.
	Relay func(ctx context.Context, manager, node string, open wire.Open) (io.ReadWriteCloser, error)
	// Elsewhere is the Floor of the other managers' nodes; nil means that there are no
	// other managers.
	Elsewhere func() int64
	// Heard delivers when Elsewhere may have another answer.
	Heard <-chan struct{}
	// Ask asks a node's host whether it is there; nil means that nobody knows how.
	Ask hosts.Ask
}

// Dispatcher keeps this manager's sessions.
type Dispatcher struct {
	config Config
	log    *zap.Logger
	scribe *scribe

	mu       sync.Mutex
	running  context.Context // of all sessions; nil before and after Run
	stop     context.CancelCauseFunc
	snapshot *store.Snapshot // what sessions were last told of
	newer    chan struct{}   // closed when there is a newer one
	timeout  time.Duration
	nodes    map[string]*presence // by node ID: those that this manager answers for
	opening  map[string]*opening  // by node ID: sessions that are no sessions yet
	due      time.Time            // when the first of them may be silent for too long
	absent   map[string]absence   // by node ID: those whose connection broke
	audience *audience            // of snapshot
	streams  map[string]*pending  // by stream ID: asked for, not yet here
	wg       sync.WaitGroup       // sessions being served
	acted    chan struct{}        // wakes settleLoop
	turn     time.Time            // when the last of the sessions' hosts is asked first
	vigils   int                  // hosts that are asked whether they are gone
}

// New makes a Dispatcher, which serves while Run runs.
func New(config Config, log *zap.Logger) *Dispatcher {
	d := &Dispatcher{
		config: config, log: log.Named("session"),
		nodes: make(map[string]*presence), opening: make(map[string]*opening), streams: make(map[string]*pending),
		absent: make(map[string]absence), acted: make(chan struct{}, 1), newer: make(chan struct{}),
	}
	d.scribe = newScribe(config.Store, d.log)
	return d
}

// Run tells sessions what changed, writes what they report and notes who went
// silent, until ctx ends. Sessions are then cut, but their nodes not written off:
// they find another manager, or this one again.
func (d *Dispatcher) Run(ctx context.Context) error {
	watcher := d.config.Store.Watch()
	defer watcher.Close()
	first, err := watcher.Next(ctx)
	if err != nil {
		return err
	}
	d.begin(first.Snapshot, time.Now())
	defer d.end()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.follow(ctx, watcher) })
	group.Go(func() error { return d.scribe.run(ctx) })
	group.Go(func() error { return d.sweepLoop(ctx) })
	group.Go(func() error { return d.settleLoop(ctx) })
	return group.Wait()
}

// comeBack is how much longer than the node timeout a manager that was restarted
// waits for its nodes: they try again every few seconds at the longest.
const comeBack = 10 * time.Second

// begin takes over the nodes whose sessions this manager held before it was
// restarted: they have some time to come back.
func (d *Dispatcher) begin(snapshot *store.Snapshot, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running, d.stop = context.WithCancelCause(context.Background()) // they end with a reason
	d.snapshot, d.timeout = snapshot, NodeTimeout(snapshot)
	d.lookSoon()
	d.audience = newAudience(snapshot)
	d.expectAll(snapshot, now)
	for status := range store.All[api.NodeStatus](snapshot) {
		if status.State == api.NodeReady && status.Manager == d.config.Node {
			d.nodes[status.ID] = &presence{heard: now.Add(comeBack), message: "it did not come back after the manager's restart"}
		}
	}
}

func (d *Dispatcher) end() {
	d.mu.Lock()
	d.running = nil
	d.stop(api.Errorf(api.CodeUnavailable, "this manager is shutting down"))
	for _, p := range d.streams {
		p.refuse()
	}
	d.mu.Unlock()
	d.wg.Wait()
}

func (d *Dispatcher) follow(ctx context.Context, watcher store.Watcher) error {
	for {
		update, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		d.observe(update)
	}
}

// observe tells the sessions whose nodes are concerned what changed. It costs what
// changed and the nodes that it concerns, however many sessions there are.
func (d *Dispatcher) observe(update store.Update) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before, base := d.snapshot, d.snapshot.Revision()
	d.snapshot = update.Snapshot
	close(d.newer)
	d.newer = make(chan struct{})
	b := d.audience.tidings(update)
	for _, change := range update.Changes {
		switch change.Kind {
		case api.KindNode:
			d.observeNode(change, b)
		case api.KindNodeStatus:
			d.observeStatus(change)
		case api.KindCluster:
			d.observeSettings()
			if toldOf(change.Old) != toldOf(change.New) {
				b.everyone.renewed = true
			}
		}
	}
	if retryOf(before) != retryOf(update.Snapshot) {
		b.everyone.renewed = true
	}
	if b.everyone.renewed || b.everyone.toDo() {
		for _, p := range d.nodes {
			if p.session != nil {
				p.session.tell(update.Snapshot, base, &b.everyone)
			}
		}
	}
	for node, about := range b.nodes {
		if p := d.nodes[node]; p != nil && p.session != nil {
			p.session.tell(update.Snapshot, base, about)
		}
	}
	d.nudgeSettle() // more may have been settled than nodes must act on
}

// observeNode cuts off a node that was removed, tells one that was changed, and all
// when the managers' addresses are others.
func (d *Dispatcher) observeNode(change store.Change, b *bulletin) {
	before, _ := change.Old.(*api.Node)
	after, _ := change.New.(*api.Node)
	if managerAddress(before) != managerAddress(after) {
		b.everyone.renewed = true
	}
	if after != nil {
		b.of(change.ID).renewed = true
		return
	}
	if p := d.nodes[change.ID]; p != nil && p.session != nil {
		p.session.cut(Removed())
	}
	delete(d.nodes, change.ID)
	delete(d.absent, change.ID)
}

// observeStatus lets go of a node that has a newer session with another manager,
// and begins anew with one that another manager has written off although it is here.
func (d *Dispatcher) observeStatus(change store.Change) {
	status, _ := change.New.(*api.NodeStatus)
	p := d.nodes[change.ID]
	elsewhere := status != nil && status.State == api.NodeReady && status.Manager != d.config.Node
	if p == nil && elsewhere {
		delete(d.absent, change.ID) // it was written off, and is back with another manager
	}
	if status == nil || p == nil {
		return
	}
	if s := p.session; s != nil {
		if committed := s.committed.Load(); committed == 0 || status.Version <= committed {
			return // this one's own turn is still to come, or came later
		}
	}
	switch {
	case elsewhere:
		if p.session != nil {
			p.session.cut(replaced())
		}
		delete(d.nodes, change.ID)
		delete(d.absent, change.ID) // the other manager answers for it
	case status.State == api.NodeDown && p.session != nil:
		p.session.cut(api.Errorf(api.CodeUnavailable, "the node was written off by another manager: connect again"))
	}
}

// observeSettings lets nodes begin anew when the node timeout changed, for both
// ends of a session must go by the same.
func (d *Dispatcher) observeSettings() {
	timeout := NodeTimeout(d.snapshot)
	if timeout == d.timeout {
		return
	}
	d.timeout = timeout
	d.lookSoon()
	for _, p := range d.nodes {
		if p.session != nil {
			p.session.cut(api.Errorf(api.CodeUnavailable, "the node timeout is now %s: connect again", timeout))
		}
	}
}

func placed(object api.Object) string {
	if task, ok := object.(*api.Task); ok && task != nil {
		return task.Node
	}
	return ""
}

// NodeTimeout is how long a node, or a manager, may be silent before it counts as
// lost.
func NodeTimeout(snapshot *store.Snapshot) time.Duration {
	if cluster := store.Get[api.Cluster](snapshot, api.ClusterID); cluster != nil && cluster.Settings.NodeTimeout > 0 {
		return cluster.Settings.NodeTimeout.Std()
	}
	return api.DefaultNodeTimeout
}

func replaced() error {
	return api.Errorf(api.CodeConflict, "the node opened a newer session")
}

// unguessable is a random name of 128 bits or more.
func unguessable() string { return rand.Text() }

func describe(node *api.Node, id string) string {
	if node == nil || node.Name == "" {
		return api.ShortID(id)
	}
	return fmt.Sprintf("%s (%s)", node.Name, api.ShortID(id))
}

package session

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

const (
	// gather is how long the scribe lets reports come together before it writes
	// them in one transaction.
	gather = 5 * time.Millisecond
	// batchLimit is how many objects one transaction writes: each may take a
	// second operation, and status objects are a few hundred bytes.
	batchLimit = 2048
	// retryAfter is the pause when the database is not available.
	retryAfter = 500 * time.Millisecond
)

// scribe writes what nodes report: many nodes' news in one transaction. What it
// was given is written or out of date; while the database is not available it
// keeps the newest of each.
type scribe struct {
	store store.Store
	log   *zap.Logger

	mu    sync.Mutex
	wake  chan struct{}
	tasks map[string]report      // by task ID
	nodes map[string][]nodeWrite // by node ID, in order
	ended bool

	revision int64 // of the last commit; run's own
}

type report struct {
	session *session
	status  api.TaskStatus
}

type nodeWrite struct {
	change nodeChange
	// done, which may be nil, gets the revision of the write (0: there was nothing
	// to write) or why it failed.
	done func(int64, error)
}

func newScribe(s store.Store, log *zap.Logger) *scribe {
	return &scribe{
		store: s, log: log, wake: make(chan struct{}, 1),
		tasks: make(map[string]report), nodes: make(map[string][]nodeWrite),
	}
}

// report takes statuses that a session's node sent. Those that are not about its
// own tasks are dropped.
func (s *scribe) report(from *session, statuses []api.TaskStatus) {
	snapshot := s.store.Snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, each := range statuses {
		task := store.Get[api.Task](snapshot, each.ID)
		if task == nil || task.Node != from.node || !acceptable(each.State) {
			from.log.Debug("dropped a status", zap.String("task", api.ShortID(each.ID)), zap.String("state", string(each.State)))
			continue
		}
		s.tasks[each.ID] = report{session: from, status: trimmed(each)}
	}
	s.nudge()
}

// writeNode changes a node's status before long.
func (s *scribe) writeNode(node string, change nodeChange, done func(int64, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		if done != nil {
			go done(0, errEnded())
		}
		return
	}
	s.nodes[node] = append(s.nodes[node], nodeWrite{change: change, done: done})
	s.nudge()
}

// writeNodeAndWait changes a node's status and returns the revision it was
// written at.
func (s *scribe) writeNodeAndWait(ctx context.Context, node string, change nodeChange) (int64, error) {
	type result struct {
		revision int64
		err      error
	}
	done := make(chan result, 1)
	s.writeNode(node, change, func(revision int64, err error) { done <- result{revision, err} })
	select {
	case r := <-done:
		return r.revision, r.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// run writes until ctx ends.
func (s *scribe) run(ctx context.Context) error {
	defer s.end()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		}
		if err := sleep.For(ctx, gather); err != nil {
			return err
		}
		if err := s.flush(ctx, s.take()); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.log.Warn("statuses wait: the database is not available", zap.Error(err))
			if err := sleep.For(ctx, retryAfter); err != nil {
				return err
			}
		}
	}
}

func (s *scribe) end() {
	s.mu.Lock()
	nodes := s.nodes
	s.nodes, s.tasks, s.ended = make(map[string][]nodeWrite), make(map[string]report), true
	s.mu.Unlock()
	for _, writes := range nodes {
		finish(writes, 0, errEnded())
	}
}

func errEnded() error { return api.Errorf(api.CodeUnavailable, "this manager is shutting down") }

// batch is what goes into one transaction: per node either its own status or
// its tasks', for the latter are fenced by the former.
type batch struct {
	nodes   []string
	writes  map[string][]nodeWrite
	reports []report
}

func (s *scribe) take() batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := batch{writes: make(map[string][]nodeWrite)}
	for node, writes := range s.nodes {
		if len(b.nodes) == batchLimit {
			break
		}
		b.nodes = append(b.nodes, node)
		b.writes[node] = writes
		delete(s.nodes, node)
	}
	for id, each := range s.tasks {
		if len(b.nodes)+len(b.reports) >= batchLimit {
			break
		}
		if b.writes[each.session.node] == nil {
			b.reports = append(b.reports, each)
			delete(s.tasks, id)
		}
	}
	if len(s.nodes)+len(s.tasks) > 0 {
		s.nudge()
	}
	slices.Sort(b.nodes)
	slices.SortFunc(b.reports, func(x, y report) int { return compare(x.status.ID, y.status.ID) })
	return b
}

// putBack keeps what could not be written, unless there is newer.
func (s *scribe) putBack(b batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for node, writes := range b.writes {
		s.nodes[node] = append(writes, s.nodes[node]...)
	}
	for _, each := range b.reports {
		if _, newer := s.tasks[each.status.ID]; !newer {
			s.tasks[each.status.ID] = each
		}
	}
	s.nudge()
}

// flush writes a batch. After conflicts it looks again; a batch that meets them
// time and again is halved, so that one busy task does not hold up the rest.
func (s *scribe) flush(ctx context.Context, b batch) error {
	for try := 0; ; try++ {
		err := s.commit(ctx, b)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrConflict), never(err):
			if len(b.nodes)+len(b.reports) > 1 && (try > 1 || never(err)) {
				first, second := b.halves()
				return errors.Join(s.flush(ctx, first), s.flush(ctx, second))
			}
			if never(err) {
				s.log.Error("dropped a status: it cannot be written", zap.Error(err))
				for _, node := range b.nodes {
					finish(b.writes[node], 0, err)
				}
				return nil
			}
			if err = s.catchUp(ctx); err == nil {
				continue
			}
		}
		s.putBack(b)
		return err
	}
}

// never says that it is no use to try again.
func never(err error) bool {
	return errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrUnreadable)
}

// catchUp waits until the snapshot shows what others wrote.
func (s *scribe) catchUp(ctx context.Context) error {
	revision, err := s.store.Linearized(ctx)
	if err != nil {
		return err
	}
	s.revision = max(s.revision, revision)
	return nil
}

func (b batch) halves() (first, second batch) {
	n, r := (len(b.nodes)+1)/2, len(b.reports)/2
	first = batch{nodes: b.nodes[:n], writes: make(map[string][]nodeWrite), reports: b.reports[:r]}
	second = batch{nodes: b.nodes[n:], writes: make(map[string][]nodeWrite), reports: b.reports[r:]}
	for _, node := range first.nodes {
		first.writes[node] = b.writes[node]
	}
	for _, node := range second.nodes {
		second.writes[node] = b.writes[node]
	}
	return first, second
}

func (s *scribe) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func finish(writes []nodeWrite, revision int64, err error) {
	for _, each := range writes {
		if each.done != nil {
			each.done(revision, err)
		}
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

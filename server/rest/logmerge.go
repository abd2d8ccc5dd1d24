package rest

import (
	"context"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

const (
	// quietAfter is how long a source that is followed may leave the others
	// waiting for its next line; it then counts as having none.
	quietAfter = 100 * time.Millisecond
	// lastLines is how long the last lines of a task that ended may take.
	lastLines = 2 * time.Second
	// never is a timer's time when there is nothing to wait for.
	never = time.Hour
)

// logMerge merges the lines of many tasks on many nodes into one sequence in the
// order of their times: the oldest of the sources' next lines goes first, once
// every source has one or is known to be quiet.
//
// It runs in one goroutine; the sources have one each.
type logMerge struct {
	api     *API
	query   logQuery
	out     *lines
	wake    chan struct{} // a source has something
	reading sync.WaitGroup
	sources []*logSource
	byTask  map[string]*logSource // the newest of each task
	away    map[string]bool       // nodes whose absence was told
}

func newLogMerge(a *API, query logQuery, out *lines) *logMerge {
	return &logMerge{
		api: a, query: query, out: out, wake: make(chan struct{}, 1),
		byTask: make(map[string]*logSource), away: make(map[string]bool),
	}
}

// run merges until nothing more can come or ctx ends, and waits for what it
// started.
func (m *logMerge) run(ctx context.Context, snapshot *store.Snapshot) error {
	ctx, cancel := context.WithCancel(ctx)
	defer m.reading.Wait()
	defer cancel()
	var updates <-chan *store.Snapshot
	if m.query.follow {
		updates = m.watch(ctx)
	}
	m.openAll(ctx, snapshot, m.query.tail)
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		if err := m.emit(); err != nil {
			return nil // the client is gone
		}
		if m.empty() && (!m.query.follow || m.query.over(snapshot)) {
			return nil
		}
		timer.Reset(m.patience(time.Now()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.wake:
		case <-timer.C:
		case next, more := <-updates:
			if !more {
				return api.Errorf(api.CodeUnavailable, "this manager is shutting down")
			}
			snapshot = next
			m.openAll(ctx, snapshot, -1)
		}
	}
}

// watch delivers snapshots as they come.
func (m *logMerge) watch(ctx context.Context) <-chan *store.Snapshot {
	watcher := m.api.store.Watch()
	updates := make(chan *store.Snapshot)
	m.reading.Go(func() {
		defer watcher.Close()
		defer close(updates)
		for {
			update, err := watcher.Next(ctx)
			if err != nil {
				return
			}
			select {
			case updates <- update.Snapshot:
			case <-ctx.Done():
				return
			}
		}
	})
	return updates
}

// openAll opens what there is to read and is not open, and lets go of what has
// ended. tail is for tasks that are new to it.
func (m *logMerge) openAll(ctx context.Context, s *store.Snapshot, tail int) {
	for _, task := range m.query.tasks(s) {
		if task.Node == "" {
			continue
		}
		source, ended := m.byTask[task.ID], m.query.ended(s, task)
		request := m.query.request(task.ID, m.query.follow && !ended)
		switch session := sessionOf(s, task.Node); {
		case source == nil:
			request.Tail = tail
			m.open(ctx, newLogSource(s, task, session), request)
		case source.failed && session != "" && session != source.session:
			// The node is back: go on after the last line that it sent.
			delete(m.away, task.Node)
			request.Tail = -1
			again := newLogSource(s, task, session)
			if again.last = source.last; !again.last.IsZero() {
				request.Since = again.last.Add(1)
			}
			m.open(ctx, again, request)
		case ended:
			source.letGo()
		}
	}
	for id, source := range m.byTask {
		if store.Get[api.Task](s, id) == nil {
			source.letGo()
		}
	}
}

// sessionOf is the session of a node that is up, or "".
func sessionOf(s *store.Snapshot, node string) string {
	if status := store.Get[api.NodeStatus](s, node); status != nil && status.State == api.NodeReady {
		return status.Session
	}
	return ""
}

// emit passes on all the lines whose turn has come, and flushes.
func (m *logMerge) emit() error {
	for _, source := range m.sources {
		m.fill(source)
	}
	written := false
	for source := m.next(time.Now()); source != nil; source = m.next(time.Now()) {
		written = true
		if err := m.out.encoder.Encode(source.head); err != nil {
			return err
		}
		if source.head.Error == "" {
			source.last = source.head.Time
		}
		source.head = nil
		m.fill(source)
	}
	if written {
		return m.out.control.Flush()
	}
	return nil
}

// fill takes a source's next line, if it has one. The end of one that failed is a
// line too, one per node.
func (m *logMerge) fill(source *logSource) {
	if source.head != nil || source.gone {
		return
	}
	select {
	case line, more := <-source.lines:
		source.waiting = time.Time{}
		if more {
			source.head = line
			return
		}
		source.gone = true
		if source.failed = source.err != nil; source.failed && !m.away[source.task.Node] {
			m.away[source.task.Node] = true
			source.head = source.failure()
		}
	default:
		if source.waiting.IsZero() {
			source.waiting = time.Now()
		}
	}
}

// next is the source whose line is to go next, or nil while another one may still
// come with an older line.
func (m *logMerge) next(now time.Time) *logSource {
	var oldest *logSource
	for _, source := range m.sources {
		switch {
		case source.head == nil && !source.gone && !source.quiet(now):
			return nil
		case source.head != nil && (oldest == nil || source.head.Time.Before(oldest.head.Time)):
			oldest = source
		}
	}
	return oldest
}

// empty says that every source has ended and all its lines were passed on.
func (m *logMerge) empty() bool {
	for _, source := range m.sources {
		if source.head != nil || !source.gone {
			return false
		}
	}
	return true
}

// patience is how long to wait until a source counts as quiet for which a line
// waits.
func (m *logMerge) patience(now time.Time) time.Duration {
	wait, held := never, false
	for _, source := range m.sources {
		if source.head != nil {
			held = true
		} else if !source.gone && source.follow && !source.quiet(now) {
			wait = min(wait, source.waiting.Add(quietAfter).Sub(now))
		}
	}
	if !held {
		return never
	}
	return max(wait, time.Millisecond)
}

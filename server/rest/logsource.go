package rest

import (
	"context"
	"io"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

// ahead is how many lines of a source are read before their turn.
const ahead = 64

// logSource is one task's lines, on their way from its node.
//
//	waiting ──line──▶ has head ──(its turn)──▶ waiting …
//	waiting ──(quietAfter, when followed)──▶ quiet ──line──▶ has head
//	any ──(the stream ends)──▶ gone ──(failed, and the node is back)──▶ a new source
type logSource struct {
	task    *api.Task
	name    string // the task's
	node    string // the node's name
	session string // of the node, when the stream was opened
	follow  bool
	lines   chan *api.LogLine // closed at the end
	err     error             // why it ended; set before lines is closed
	release context.CancelFunc
	closing bool // letGo was called

	head    *api.LogLine
	waiting time.Time // since when it has no head; zero while that is not known
	last    time.Time // of the newest line that was passed on
	gone    bool
	failed  bool
}

func newLogSource(s *store.Snapshot, task *api.Task, session string) *logSource {
	view := viewTask(s, task)
	return &logSource{task: task, name: view.Name, node: view.NodeName, session: session, lines: make(chan *api.LogLine, ahead)}
}

// open begins to read a source.
func (m *logMerge) open(ctx context.Context, source *logSource, request *wire.LogsRequest) {
	ctx, source.release = context.WithCancel(ctx)
	source.follow = request.Follow
	m.sources = append(m.sources, source)
	m.byTask[source.task.ID] = source
	m.reading.Go(func() {
		defer source.release()
		source.err = source.read(ctx, m, request)
		close(source.lines)
		m.wakeUp()
	})
}

func (m *logMerge) wakeUp() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// read passes lines on until the stream ends or ctx does, which is no error.
func (source *logSource) read(ctx context.Context, m *logMerge, request *wire.LogsRequest) error {
	stream, release, err := m.api.open(ctx, source.task.Node, wire.Open{Logs: request})
	if err != nil {
		return err
	}
	defer release()
	for {
		payload, err := nextData(stream)
		switch {
		case ctx.Err() != nil || err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		line := &api.LogLine{}
		if err := wire.UnmarshalAnswer(payload, line); err != nil {
			return err
		}
		line.Task, line.Name, line.NodeName = source.task.ID, source.name, source.node
		select {
		case source.lines <- line:
			m.wakeUp()
		case <-ctx.Done():
			return nil
		}
	}
}

// letGo ends a source whose task has ended, when its last lines had time to come.
func (source *logSource) letGo() {
	if source.follow && !source.gone && !source.closing {
		source.closing = true
		time.AfterFunc(lastLines, source.release)
	}
}

// quiet says that the others need not wait for the source.
func (source *logSource) quiet(now time.Time) bool {
	return source.follow && !source.waiting.IsZero() && now.Sub(source.waiting) >= quietAfter
}

// failure is the line that stands for the ones that cannot be read.
func (source *logSource) failure() *api.LogLine {
	return &api.LogLine{
		Time: time.Now().UTC(), Task: source.task.ID, Name: source.name, NodeName: source.node, Error: tell(source.err).Message,
	}
}

package session

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// maxStatuses is how many statuses one message has: some tens of KiB each at worst.
const maxStatuses = 200

// tell sends statuses, the first of them with up.
func (s *session) tell(up wire.Up, statuses []api.TaskStatus) error {
	for {
		n := min(len(statuses), maxStatuses)
		up.Statuses, statuses = statuses[:n], statuses[n:]
		if err := s.send(up); err != nil || len(statuses) == 0 {
			return err
		}
		up = wire.Up{}
	}
}

func (s *session) send(up wire.Up) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.sent = time.Now()
	if s.alone != nil {
		s.alone.Reset(s.patience())
	}
	return wire.Write(s.up, up)
}

// patience is how long the node says nothing before it sends a heartbeat by itself. It
// is a little more than from one of the manager's to the next.
func (s *session) patience() time.Duration { return s.beat + s.beat/8 }

// answer is this node's heartbeat: it follows what the manager said, unless something
// has gone up lately. So a manager of many nodes, which speaks to some of them at a
// time, hears them at a time too (see package server/session).
func (s *session) answer() error {
	s.writing.Lock()
	quiet := time.Since(s.sent)
	s.writing.Unlock()
	if quiet < s.beat/2 {
		return nil
	}
	return s.send(wire.Up{})
}

// receive takes messages until the manager ends the session.
func (s *session) receive() error {
	for {
		var down wire.Down
		if err := wire.Read(s.down, &down); err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("the manager ended the session")
			}
			return err
		}
		s.silence.Reset(s.timeout)
		s.heard = time.Now()
		if down.Error != nil {
			return down.Error
		}
		if err := s.hand(down); err != nil {
			return err
		}
		if err := s.answer(); err != nil {
			return err
		}
	}
}

// mostToDo is how many messages may wait to be acted on.
const mostToDo = 256

// hand passes a message on to act. A stream has its own goroutine, and waits for nothing.
func (s *session) hand(down wire.Down) error {
	if open := down.Open; open != nil {
		s.streams.Go(func() { s.open(*open) })
	}
	if down.Heartbeat() && len(s.todo) > 0 {
		return nil // it is no news that there are no others
	}
	select {
	case s.todo <- down:
		return nil
	default:
		return fmt.Errorf("this node has yet to act on %d messages: see whether its disk works", mostToDo)
	}
}

// act does what the messages ask, apart from those who read and send: acting waits for
// the node's disk, and while that hangs the node must be heard, and hear its manager.
// It begins when the last session's has ended.
func (s *session) act(before <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	<-before
	select {
	case <-s.begun:
	case <-s.over:
	}
	for {
		select {
		case down := <-s.todo:
			s.do(down)
			continue
		case <-s.over:
		}
		break
	}
	for len(s.todo) > 0 { // it was told before the end, perhaps as the reason
		s.do(<-s.todo)
	}
	if !s.heard.IsZero() {
		s.config.Node.Lost(s.heard)
	}
}

func (s *session) do(down wire.Down) {
	if err := s.apply(down); err != nil {
		s.cancel(err)
	}
}

func (s *session) apply(down wire.Down) error {
	if whole, err := s.parts.Join(&down); !whole {
		return err
	}
	if down.Welcome != nil {
		s.managers.learn(down.Welcome.Managers)
		if s.config.Welcomed != nil {
			s.config.Welcomed(*down.Welcome)
		}
	}
	if err := s.config.Node.Apply(down); err != nil {
		return fmt.Errorf("act on assignments: %w", err)
	}
	if down.Revision == 0 {
		return nil
	}
	return s.send(wire.Up{Applied: down.Revision})
}

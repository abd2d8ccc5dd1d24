package session

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api/wire"
)

// deaf is a node whose streams are not read of, as an exec's whose command does not
// read: they last until they are given up.
type deaf struct {
	*node
	ended chan struct{}
}

func (d deaf) Handle(ctx context.Context, _ wire.Open, _ io.ReadWriter) error {
	<-ctx.Done()
	close(d.ended)
	return nil
}

func TestAStreamThatIsNotReadEndsWithWhoAsked(t *testing.T) {
	m, n := newManager(t), deaf{newNode(), make(chan struct{})}
	m.stream = func(*http.Request) {} // ends at once
	start(t, m, n)
	c := next(t, m.sessions)
	c.down(welcome(time.Minute))
	c.down(wire.Down{Open: &wire.Open{ID: "stream"}})
	next(t, n.ended)
}

const (
	talkFrames = 65
	talkSize   = 16<<10 - 5 // with its head one frame of HTTP/2, of which 64 are sent ahead
)

// talker is a node that answers with more than a connection takes ahead.
type talker struct {
	*node
	answered chan struct{}
}

func (n talker) Handle(_ context.Context, _ wire.Open, stream io.ReadWriter) error {
	defer close(n.answered)
	for range talkFrames {
		if err := wire.WriteFrame(stream, wire.Data, make([]byte, talkSize)); err != nil {
			return err
		}
	}
	return nil
}

func TestASlowManagerGetsTheWholeAnswer(t *testing.T) {
	m, n := newManager(t), talker{newNode(), make(chan struct{})}
	got := make(chan int, 1)
	m.stream = func(r *http.Request) {
		<-n.answered
		select {
		case <-r.Context().Done(): // the node broke off
		case <-time.After(100 * time.Millisecond):
		}
		read, _ := io.Copy(io.Discard, r.Body)
		got <- int(read)
	}
	start(t, m, n)
	c := next(t, m.sessions)
	c.down(welcome(time.Minute))
	c.down(wire.Down{Open: &wire.Open{ID: "stream"}})
	require.Greater(t, next(t, got), talkFrames*talkSize)
}

package rest

import (
	"context"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

const (
	// piecesAhead is how many pieces a node may be behind the fastest one.
	piecesAhead = 16
	// unpackTimeout is how long a node may take after the last piece.
	unpackTimeout = 5 * time.Minute
	// refusalTimeout is how long to wait for the reason of a stream that broke.
	refusalTimeout = 5 * time.Second
)

// receiver is one node's part of a load.
type receiver struct {
	node   *api.Node
	pieces chan []byte   // closed after the last one
	out    chan struct{} // closed when the node wants no more
	cancel context.CancelCauseFunc
	ready  chan struct{} // closed when cancel is set
	images []wire.LoadedImage
	err    error
}

func newReceiver(node *api.Node) *receiver {
	return &receiver{node: node, pieces: make(chan []byte, piecesAhead), out: make(chan struct{}), ready: make(chan struct{})}
}

// take hands over a piece. It is false when the node wants no more; one that
// takes nothing for stallTimeout is given up.
func (n *receiver) take(piece []byte) bool {
	select {
	case <-n.out:
		return false
	case n.pieces <- piece:
		return true
	default:
	}
	timer := time.NewTimer(stallTimeout)
	defer timer.Stop()
	select {
	case <-n.out:
		return false
	case n.pieces <- piece:
		return true
	case <-timer.C:
		<-n.ready
		n.cancel(api.Errorf(api.CodeUnavailable, "it takes nothing any more: see whether its disk is full"))
		return false
	}
}

// receive passes the pieces on to the node, takes its answer and reports it.
func (n *receiver) receive(ctx context.Context, l *load) {
	ctx, n.cancel = context.WithCancelCause(ctx)
	close(n.ready)
	defer n.cancel(nil)
	n.err = n.exchange(ctx, l)
	close(n.out)
	if n.err == nil {
		l.tell(n.node, api.LoadLoaded, "", 0)
	} else {
		if ctx.Err() != nil {
			n.err = context.Cause(ctx)
		}
		l.tell(n.node, api.LoadFailed, tell(n.err).Message, 0)
	}
}

func (n *receiver) exchange(ctx context.Context, l *load) error {
	stream, release, err := l.api.open(ctx, n.node.ID, wire.Open{Load: &wire.LoadRequest{Size: l.total}})
	if err != nil {
		return err
	}
	// The node may answer before it has everything: an archive's last bytes are
	// padding, and a wrong one is refused early.
	answered := make(chan error, 1)
	go func() {
		payload, err := answer(ctx, stream)
		if err == nil {
			err = wire.UnmarshalAnswer(payload, &n.images)
		}
		answered <- err
	}()
	wait := func(patience time.Duration, otherwise error) error {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case err := <-answered:
			release()
			return err
		case <-timer.C:
			release()
			<-answered
			return otherwise
		}
	}
	sent, told := int64(0), int64(0)
	for {
		select {
		case err := <-answered:
			release()
			return err
		case piece, more := <-n.pieces:
			if !more && ctx.Err() != nil {
				return wait(0, context.Cause(ctx)) // no End: the node throws it away
			}
			if !more {
				if err := wire.WriteFrame(stream, wire.End, nil); err != nil {
					return wait(refusalTimeout, cutShort(err))
				}
				return wait(unpackTimeout, api.Errorf(api.CodeUnavailable, "it does not finish unpacking the image"))
			}
			if err := wire.WriteFrame(stream, wire.Data, piece); err != nil {
				return wait(refusalTimeout, cutShort(err))
			}
			if sent += int64(len(piece)); sent-told >= progressEvery {
				told = sent
				l.tell(n.node, api.LoadSending, "", sent)
			}
		}
	}
}

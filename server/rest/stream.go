package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// askTimeout is how long a node has to do one thing.
const askTimeout = 30 * time.Second

// open opens a stream to a node that ctx closes.
func (a *API) open(ctx context.Context, node string, open wire.Open) (io.ReadWriteCloser, func(), error) {
	stream, err := a.dispatcher.Open(ctx, node, open)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	return stream, func() {
		stop()
		stream.Close()
	}, nil
}

// ask has a node do one thing and returns its answer (CBOR).
func (a *API) ask(ctx context.Context, node string, request wire.DoRequest) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return a.askFor(ctx, node, request)
}

// askFor is ask for as long as ctx allows.
func (a *API) askFor(ctx context.Context, node string, request wire.DoRequest) ([]byte, error) {
	stream, release, err := a.open(ctx, node, wire.Open{Do: &request})
	if err != nil {
		return nil, err
	}
	defer release()
	return answer(ctx, stream)
}

// answer reads the one Data frame, or the Error, that a node answers with.
func answer(ctx context.Context, stream io.Reader) ([]byte, error) {
	payload, err := nextData(stream)
	switch {
	case ctx.Err() != nil:
		return nil, api.Errorf(api.CodeUnavailable, "the node did not answer in time")
	case err == io.EOF:
		return nil, nil
	}
	return payload, err
}

// nextData returns the next Data frame of what a node answers, or io.EOF after the
// last one. What the node says went wrong is the error.
func nextData(stream io.Reader) ([]byte, error) {
	for {
		channel, payload, err := wire.ReadFrame(stream)
		switch {
		case err != nil:
			return nil, cutShort(err)
		case channel == wire.Error:
			return nil, nodeError(payload)
		case channel == wire.Data:
			return payload, nil
		case channel == wire.End:
			return nil, io.EOF
		}
	}
}

// cutShort is the error of a stream that ended too early.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return api.Errorf(api.CodeUnavailable, "the connection to the node was lost")
	}
	return api.Errorf(api.CodeUnavailable, "the connection to the node was lost: %w", err)
}

// nodeError decodes an Error frame.
func nodeError(payload []byte) error {
	told := &api.Error{}
	if err := wire.UnmarshalAnswer(payload, told); err != nil {
		return fmt.Errorf("read the node's error: %w", err)
	}
	return told
}

// lines writes values as JSON, one a line, and flushes each. It is safe for use
// by several goroutines.
type lines struct {
	mu      sync.Mutex
	encoder *json.Encoder
	control *http.ResponseController
}

// newLines begins the answer: from here on errors are lines too.
func newLines(w http.ResponseWriter) (*lines, error) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	l := &lines{encoder: json.NewEncoder(w), control: http.NewResponseController(w)}
	return l, l.control.Flush()
}

// write fails when the client is gone.
func (l *lines) write(value any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.encoder.Encode(value); err != nil {
		return err
	}
	return l.control.Flush()
}

// fail ends the answer with an error, unless it is the client that went.
func (l *lines) fail(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		_ = l.write(map[string]*api.Error{"failure": tell(err)})
	}
}

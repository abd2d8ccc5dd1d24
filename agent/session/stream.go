package session

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

const (
	// idleTimeout is how long the connection of streams is kept for the next one.
	idleTimeout = 90 * time.Second
	// pingAfter is how long it may be silent before it is asked whether it lives, and
	// pingTimeout how long that may take.
	pingAfter   = 15 * time.Second
	pingTimeout = 5 * time.Second
)

// newTransport opens streams over one connection of HTTP/2, with the certificate in
// force at the time of each dial.
func (c *Client) newTransport() *http.Transport {
	return &http.Transport{
		ForceAttemptHTTP2: true,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, connectTimeout)
			defer cancel()
			dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: c.secure("h2")}
			return dialer.DialContext(ctx, network, address)
		},
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: 1,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// open makes the stream that a manager asked for, and lets the node answer on it.
func (s *session) open(open wire.Open) {
	ctx, cancel := context.WithCancel(s.live)
	defer cancel()
	body, up := io.Pipe()
	defer s.breakOff(body)()
	defer up.Close()
	live, end := context.WithCancel(s.live)
	defer end()
	request, err := http.NewRequestWithContext(live, http.MethodPost, "https://"+s.address+"/v1/streams/"+open.ID, &upload{body, cancel})
	if err != nil {
		s.log.Warn("stream not opened", zap.Error(err))
		return
	}
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		s.log.Info("stream not opened", zap.Error(err))
		return
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.log.Info("stream refused", zap.Error(refusal(response)))
		return
	}
	down := &ending{Reader: response.Body, cancel: cancel}
	stream := struct {
		io.Reader
		io.Writer
	}{down, up}
	if err := s.config.Node.Handle(ctx, open, stream); err != nil && ctx.Err() == nil {
		s.log.Debug("stream ended", zap.Error(err))
	}
	if ctx.Err() != nil {
		return
	}
	// To end the request now would be a reset, which may overtake what was said: the
	// manager ends the stream once it has heard all.
	up.Close()
	late := time.AfterFunc(farewell, end)
	defer late.Stop()
	io.Copy(io.Discard, down) // its error is that the stream has ended
}

// breakOff ends a request's body when the session is given up: net/http looks at
// the request's context only between two reads of the body. The function it
// returns ends the body in any case.
func (s *session) breakOff(body *io.PipeReader) func() {
	stop := context.AfterFunc(s.live, func() { body.CloseWithError(context.Cause(s.live)) })
	return func() {
		stop()
		body.Close()
	}
}

// upload is a request's body. The transport closes it when the manager has ended
// the stream, which is heard even while nobody reads what comes down.
type upload struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (u *upload) Close() error {
	u.cancel()
	return u.PipeReader.Close()
}

// farewell is how long a manager may take to end a stream that was answered.
const farewell = 10 * time.Second

// ending cancels when what it reads has ended in an error: whoever asked is gone.
// Several may read, one after the other.
type ending struct {
	mu sync.Mutex
	io.Reader
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (e *ending) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, err := e.Reader.Read(p)
	if err != nil && err != io.EOF {
		e.cancel()
	}
	return n, err
}

// maxRefusal bounds what is read of an error's text, in bytes.
const maxRefusal = 64 << 10

// refusal is the error that an answer carries.
func refusal(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	if err != nil {
		return fmt.Errorf("the manager answers %s: %w", response.Status, err)
	}
	var told api.Error
	if json.Unmarshal(text, &told) == nil && told.Message != "" {
		return &told
	}
	return fmt.Errorf("the manager answers %s", response.Status)
}

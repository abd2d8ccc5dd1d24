package managers

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

// Open opens a stream to a node whose session another manager holds: the request's
// body begins with what the node is asked for, and from there on both bodies are
// the stream.
func (m *Managers) Open(ctx context.Context, manager, node string, open wire.Open) (io.ReadWriteCloser, error) {
	to := store.Get[api.Node](m.config.Store.Snapshot(), manager)
	if to == nil || to.API == "" || !m.Answers(manager) {
		return nil, api.Errorf(api.CodeUnavailable, "node %s was last connected to a manager that does not answer: try again in some seconds", api.ShortID(node))
	}
	live, cancel := context.WithCancel(context.WithoutCancel(ctx))
	waiting := context.AfterFunc(ctx, cancel)
	body, up := io.Pipe()
	request, err := http.NewRequestWithContext(live, http.MethodPost, "https://"+to.API+"/v1/relay/"+node, body)
	if err != nil {
		cancel()
		return nil, err
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_ = wire.Write(up, &open) // what is wrong with it, the answer tells
	}()
	response, err := m.transport.RoundTrip(request)
	switch {
	case err != nil:
		err = api.Errorf(api.CodeUnavailable, "ask the manager %s, which node %s is connected to: %w", to.Name, api.ShortID(node), err)
	case response.StatusCode != http.StatusOK:
		err = refusal(response)
		response.Body.Close()
	case !waiting():
		err = context.Cause(ctx)
		response.Body.Close()
	}
	if err != nil {
		cancel()
		body.Close()
		<-asked
		return nil, err
	}
	<-asked
	return &relayed{Reader: response.Body, up: up, close: sync.OnceFunc(func() {
		up.Close()
		cancel()
		response.Body.Close()
	})}, nil
}

// relayed is a stream through another manager.
type relayed struct {
	io.Reader
	up    *io.PipeWriter
	close func()
}

func (r *relayed) Write(data []byte) (int, error) { return r.up.Write(data) }

// Close implements io.Closer.
func (r *relayed) Close() error {
	r.close()
	return nil
}

// Relay answers POST /v1/relay/{node}, from other managers: it opens the stream to
// a node that is connected here.
func (m *Managers) Relay(dispatcher *session.Dispatcher) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := ca.Require(r.Context(), ca.RoleManager); err != nil {
			session.Refuse(w, err)
			return
		}
		var open wire.Open
		if err := wire.Read(r.Body, &open); err != nil {
			session.Refuse(w, api.Invalidf("read what the node is asked for: %w", err))
			return
		}
		stream, err := dispatcher.OpenHere(r.Context(), r.PathValue("node"), open)
		if err != nil {
			session.Refuse(w, err)
			return
		}
		defer stream.Close()
		join(r, w, stream)
	}
}

// join passes bytes both ways until the node has ended its side, or who asked is
// gone.
func join(r *http.Request, w http.ResponseWriter, stream io.ReadWriteCloser) {
	control := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if control.Flush() != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(stream, r.Body) // it ends when either end does
		stream.Close()
	})
	_, _ = io.Copy(&flushed{w: w, control: control}, stream)
	stream.Close()
	_ = control.SetReadDeadline(time.Unix(1, 0)) // who asked may never end its side
	up.Wait()
}

// flushed passes on at once what is written.
type flushed struct {
	w       io.Writer
	control *http.ResponseController
}

func (f *flushed) Write(data []byte) (int, error) {
	n, err := f.w.Write(data)
	if err != nil {
		return n, err
	}
	return n, f.control.Flush()
}

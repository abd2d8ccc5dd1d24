package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// exec joins the client and the node: first the client says what to run, then
// frames go both ways until the node has said how it ended.
func (a *API) exec(w http.ResponseWriter, r *http.Request) error {
	request, err := readExec(r.Body)
	if err != nil {
		return err
	}
	ref := request.Container
	if ref == "" {
		ref = request.Task
	}
	view, err := findContainer(a.store.Snapshot(), ref)
	if err != nil {
		return err
	}
	if !view.Attempt.Finished.IsZero() || view.State.Terminal() {
		return api.Conflictf("container %s (%s) is not running, its state is %s", api.ShortID(view.ID), view.Name, view.State)
	}
	request.Task, request.Container = view.Task, view.ID
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stream, release, err := a.open(ctx, view.Node, wire.Open{Exec: &request})
	if err != nil {
		return err
	}
	defer release()
	control := http.NewResponseController(w)
	if err := fullDuplex(w); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	if err := control.Flush(); err != nil {
		return nil // the client is gone
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		if !passFrames(stream, r.Body) {
			cancel() // the client is gone: the node ends the command
		}
	}()
	if err := passAnswer(w, control, stream); err != nil && ctx.Err() == nil {
		_ = wire.WriteError(w, tell(err)) // the client may be gone
		_ = control.Flush()
	}
	// The answer is complete: the client's input, if any is left, is not wanted.
	release()
	_ = control.SetReadDeadline(time.Unix(1, 0))
	<-up
	return nil
}

// readExec reads the first frame.
func readExec(body io.Reader) (wire.ExecRequest, error) {
	channel, payload, err := wire.ReadFrame(body)
	if err != nil {
		return wire.ExecRequest{}, api.Invalidf("the request is cut short: want a frame that says what to run")
	}
	if channel != wire.Data {
		return wire.ExecRequest{}, api.Invalidf("the first frame is on channel %d: want channel %d, which says what to run", channel, wire.Data)
	}
	request, err := decodeFrom[wire.ExecRequest](bytes.NewReader(payload))
	if err != nil {
		return request, err
	}
	switch {
	case request.Task == "" && request.Container == "":
		return request, api.Invalidf("exec: say in which task or container")
	case len(request.Args) == 0:
		return request, api.Invalidf("exec: say which command to run")
	}
	return request, nil
}

// passFrames passes input on until the client ends it, which is true, or is gone.
func passFrames(stream io.Writer, body io.Reader) bool {
	for {
		channel, payload, err := wire.ReadFrame(body)
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		switch channel {
		case wire.Stdin, wire.StdinEnd, wire.Resize:
			if wire.WriteFrame(stream, channel, payload) != nil {
				return true // the node has ended it; its answer says why
			}
		}
	}
}

// passAnswer passes output on up to how the command ended.
func passAnswer(w io.Writer, control *http.ResponseController, stream io.Reader) error {
	for {
		channel, payload, err := wire.ReadFrame(stream)
		if err != nil {
			return cutShort(err)
		}
		if err := wire.WriteFrame(w, channel, payload); err != nil {
			return err
		}
		if err := control.Flush(); err != nil {
			return err
		}
		if channel == wire.Exit || channel == wire.Error {
			return nil
		}
	}
}

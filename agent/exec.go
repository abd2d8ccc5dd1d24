package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

// handleExec runs a command in a task's container, its streams in frames.
func (a *Agent) handleExec(ctx context.Context, request *wire.ExecRequest, stream io.Reader, w *frames) error {
	t, err := a.find(request.Task, request.Container)
	if err != nil {
		return err
	}
	t.mu.Lock()
	c := t.container
	t.mu.Unlock()
	if c == nil || c.State != runtime.Running {
		return api.Conflictf("the container is not running")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resize := make(chan runtime.Size, 1)
	exec := runtime.Exec{
		Args: request.Args, Env: request.Env, Dir: request.Dir, User: request.User, TTY: request.TTY, Privileged: request.Privileged,
		Stdout: channel{w, wire.Stdout}, Stderr: channel{w, wire.Stderr}, Resize: resize,
	}
	if request.TTY && request.Width > 0 {
		resize <- runtime.Size{Width: request.Width, Height: request.Height}
	}
	input, feed := io.Pipe()
	defer input.Close()
	if request.Stdin {
		exec.Stdin = input
	}
	go func() {
		defer cancel() // who asked is gone
		feedExec(ctx, stream, feed, resize)
	}()
	code, err := a.config.Runtime.Exec(ctx, c.ID, exec)
	switch {
	case errors.Is(err, runtime.ErrNotRunning), errors.Is(err, runtime.ErrNotFound):
		return api.Conflictf("the container is not running")
	case errors.Is(err, runtime.ErrRejected):
		return api.Invalidf("%w", err)
	case err != nil:
		return err
	}
	return w.write(wire.Exit, binary.BigEndian.AppendUint32(nil, uint32(int32(code))))
}

// feedExec passes on what comes down, until the stream ends.
func feedExec(ctx context.Context, stream io.Reader, stdin *io.PipeWriter, resize chan<- runtime.Size) {
	for {
		channel, payload, err := wire.ReadFrame(stream)
		if err != nil {
			stdin.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		switch channel {
		case wire.Stdin:
			stdin.Write(payload) // fails when the command reads no more: then it is dropped
		case wire.StdinEnd:
			stdin.Close()
		case wire.Resize:
			if len(payload) != 4 {
				continue
			}
			size := runtime.Size{Width: binary.BigEndian.Uint16(payload), Height: binary.BigEndian.Uint16(payload[2:])}
			select {
			case resize <- size:
			case <-ctx.Done():
				return
			}
		}
	}
}

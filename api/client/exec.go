package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// Exec is a command that runs in a container.
type Exec struct {
	client *Client
	up     *io.PipeWriter
	body   io.ReadCloser
	cancel context.CancelFunc
	mu     sync.Mutex // one frame up at a time
}

// Exec runs a command in a task's container; request.Task or request.Container
// (references) says which. It returns once the node has answered; the command is
// then under way. The caller owes Close.
func (c *Client) Exec(ctx context.Context, request wire.ExecRequest) (*Exec, error) {
	first, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	var frame bytes.Buffer
	if err := wire.WriteFrame(&frame, wire.Data, first); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	reader, writer := io.Pipe()
	response, err := c.send(ctx, http.MethodPost, path("exec"), nil, input{io.MultiReader(&frame, reader), reader}, "application/octet-stream")
	if err != nil {
		cancel()
		return nil, err
	}
	return &Exec{client: c, up: writer, body: response.Body, cancel: cancel}, nil
}

// input is a request's body that the transport can end while it is being read.
type input struct {
	io.Reader
	io.Closer
}

// Resize tells the size of the terminal in characters.
func (e *Exec) Resize(width, height uint16) error {
	return e.write(wire.Resize, binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, width), height))
}

// Write sends input.
func (e *Exec) Write(input []byte) (int, error) {
	sent := 0
	for sent < len(input) {
		part := input[sent:min(len(input), sent+wire.MaxFrame/2)]
		if err := e.write(wire.Stdin, part); err != nil {
			return sent, err
		}
		sent += len(part)
	}
	return sent, nil
}

// CloseInput ends the input.
func (e *Exec) CloseInput() error { return e.write(wire.StdinEnd, nil) }

func (e *Exec) write(channel wire.Channel, payload []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return wire.WriteFrame(e.up, channel, payload)
}

// Wait copies the output until the command ends and returns its exit code. Input
// may be sent meanwhile.
func (e *Exec) Wait(stdout, stderr io.Writer) (int, error) {
	for {
		channel, payload, err := wire.ReadFrame(e.body)
		if errors.Is(err, io.EOF) {
			return -1, api.Errorf(api.CodeUnavailable, "the connection to the container ended before the command did")
		}
		if err != nil {
			return -1, e.client.explain(err)
		}
		switch channel {
		case wire.Stdout:
			_, err = stdout.Write(payload)
		case wire.Stderr:
			_, err = stderr.Write(payload)
		case wire.Exit:
			if len(payload) != 4 {
				return -1, errors.New("read the exit code: it is cut short")
			}
			return int(int32(binary.BigEndian.Uint32(payload))), nil
		case wire.Error:
			told := &api.Error{}
			if err := wire.Unmarshal(payload, told); err != nil {
				return -1, fmt.Errorf("read the error: %w", err)
			}
			return -1, told
		}
		if err != nil {
			return -1, fmt.Errorf("write the output: %w", err)
		}
	}
}

// Close ends the connection; a command that still runs is killed by the node.
func (e *Exec) Close() error {
	e.cancel()
	return errors.Join(e.up.Close(), e.body.Close())
}

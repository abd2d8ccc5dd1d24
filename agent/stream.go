package agent

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/orc-project/orc/agent/housekeeping"
	"github.com/orc-project/orc/agent/logs"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

// Handle answers a manager's Open on the stream made for it, until it is answered
// or ctx ends. The caller then closes the stream, which may still be read of. An
// error was told to the manager already.
func (a *Agent) Handle(ctx context.Context, open wire.Open, stream io.ReadWriter) error {
	w := &frames{w: stream}
	var err error
	switch {
	case open.Logs != nil:
		err = a.handleLogs(untilGone(ctx, stream), open.Logs, w)
	case open.Exec != nil:
		err = a.handleExec(ctx, open.Exec, stream, w)
	case open.Stats != nil:
		err = a.handleStats(untilGone(ctx, stream), open.Stats, w)
	case open.Load != nil:
		err = a.handleLoad(ctx, stream, w)
	case open.Do != nil:
		err = a.handleDo(ctx, open.Do, w)
	default:
		err = api.Invalidf("this node does not know what the manager asks for: is it older?")
	}
	if err != nil {
		return errors.Join(err, w.fail(err))
	}
	return nil
}

// untilGone returns a context that ends with ctx or when who asked is gone, as long
// as there is nothing to read of the stream but its end.
func untilGone(ctx context.Context, stream io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		io.Copy(io.Discard, stream) // ends when the caller closes the stream at the latest
	}()
	return ctx
}

// frames serialises the frames of several goroutines.
type frames struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frames) write(channel wire.Channel, payload []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return wire.WriteFrame(f.w, channel, payload)
}

func (f *frames) send(value any) error {
	payload, err := wire.Marshal(value)
	if err != nil {
		return err
	}
	return f.write(wire.Data, payload)
}

func (f *frames) fail(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return wire.WriteError(f.w, err)
}

// channel is an io.Writer of one channel's frames.
type channel struct {
	frames *frames
	number wire.Channel
}

// Write implements io.Writer.
func (c channel) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		piece := p[sent:min(len(p), sent+wire.MaxFrame)]
		if err := c.frames.write(c.number, piece); err != nil {
			return sent, err
		}
		sent += len(piece)
	}
	return len(p), nil
}

// handleLogs sends the lines of each task, all at once when they are followed.
func (a *Agent) handleLogs(ctx context.Context, request *wire.LogsRequest, w *frames) error {
	var reading sync.WaitGroup
	errs := make([]error, len(request.Tasks))
	for i, id := range request.Tasks {
		query := logs.Query{
			Task: id, Container: request.Container, Since: request.Since, Until: request.Until, Tail: request.Tail, Follow: request.Follow,
		}
		read := func() {
			errs[i] = a.logs.Read(ctx, query, func(line api.LogLine) error {
				line.Task = id
				if err := ctx.Err(); err != nil {
					return err
				}
				return w.send(line)
			})
		}
		if request.Follow {
			reading.Go(read)
		} else {
			read()
		}
	}
	reading.Wait()
	if ctx.Err() != nil {
		return nil // nobody listens any more
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return w.write(wire.End, nil)
}

// handleLoad imports an archive that comes in frames.
func (a *Agent) handleLoad(ctx context.Context, stream io.Reader, w *frames) error {
	images, ok := a.config.Runtime.(runtime.Images)
	if !ok {
		return api.Invalidf("this node's runtime loads no images")
	}
	loaded, err := images.LoadImage(ctx, &body{stream: stream})
	switch {
	case errors.Is(err, runtime.ErrInvalidImage):
		return api.Invalidf("%w", err)
	case err != nil:
		return err
	}
	return w.send(describeImages(loaded))
}

func describeImages(images []runtime.Image) []wire.LoadedImage {
	described := make([]wire.LoadedImage, 0, len(images))
	for _, image := range images {
		described = append(described, housekeeping.Describe(image))
	}
	return described
}

// body reads the Data frames of a stream up to End.
type body struct {
	stream io.Reader
	rest   []byte
	ended  bool
}

// Read implements io.Reader. A stream that breaks off is io.ErrUnexpectedEOF.
func (b *body) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.ended {
			return 0, io.EOF
		}
		channel, payload, err := wire.ReadFrame(b.stream)
		switch {
		case errors.Is(err, io.EOF):
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		case channel == wire.End:
			b.ended = true
		case channel == wire.Data:
			b.rest = payload
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (a *Agent) handleDo(ctx context.Context, request *wire.DoRequest, w *frames) error {
	switch {
	case request.Images:
		return reply(w, func() ([]wire.LoadedImage, error) { return a.keeper.Images(ctx) })
	case request.Volumes:
		return reply(w, func() ([]wire.Volume, error) { return a.keeper.Volumes(ctx) })
	case request.Usage:
		return reply(w, func() (wire.DiskUsage, error) { return a.keeper.Usage(ctx) })
	case request.Prune != nil:
		return reply(w, func() (wire.Pruned, error) { return a.keeper.Prune(ctx, request.Prune) })
	case request.Examine:
		return reply(w, func() (wire.Examination, error) { return a.examine(ctx), nil })
	case request.Kill != "":
		t, err := a.find("", request.Kill)
		if err != nil {
			return err
		}
		return reply(w, func() (struct{}, error) { return struct{}{}, t.kill(ctx, request.Kill, request.Force) })
	}
	return api.Invalidf("this node does not know what the manager asks for: is it older?")
}

// examine looks at what the node needs beside its tasks.
func (a *Agent) examine(ctx context.Context) wire.Examination {
	var found wire.Examination
	if a.config.Networks != nil {
		found.Findings = a.config.Networks.Examine(ctx)
	}
	found.Time = time.Now()
	return found
}

// reply sends the one value that a request asked for.
func reply[T any](w *frames, make func() (T, error)) error {
	value, err := make()
	if err != nil {
		return err
	}
	return w.send(value)
}

package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
)

const (
	// pieceSize is how much of an archive goes in one frame, in bytes.
	pieceSize = 256 << 10
	// stallTimeout is how long a node may take nothing before it is given up.
	stallTimeout = time.Minute
	// progressEvery is how many bytes are sent between two lines of progress.
	progressEvery = 8 << 20
)

// load is one archive on its way to all nodes. It is never kept on this manager:
// what the client sends goes out at once, at the pace of the slowest node.
type load struct {
	api   *API
	out   *lines
	total int64 // bytes; 0 when not known
	nodes []*receiver
}

func (a *API) loadImages(w http.ResponseWriter, r *http.Request) error {
	l := &load{api: a}
	if text := r.URL.Query().Get("size"); text != "" {
		var err error
		if l.total, err = strconv.ParseInt(text, 10, 64); err != nil || l.total < 0 {
			return api.Invalidf("size=%q: want a number of bytes", text)
		}
	}
	snapshot := a.store.Snapshot()
	var down []*api.Node
	for _, node := range list[api.Node](snapshot) {
		switch {
		case !node.Runs:
		case sessionOf(snapshot, node.ID) == "":
			down = append(down, node)
		default:
			l.nodes = append(l.nodes, newReceiver(node))
		}
	}
	if len(l.nodes) == 0 {
		return api.Errorf(api.CodeUnavailable, "no node is ready to take the image: see `orc node ls`")
	}
	if err := fullDuplex(w); err != nil {
		return err
	}
	var err error
	if l.out, err = newLines(w); err != nil {
		return nil // the client is gone
	}
	for _, node := range down {
		l.tell(node, api.LoadFailed, "the node is down: load the image again when it is back", 0)
	}
	l.out.fail(r.Context(), l.run(r, len(down)))
	return nil
}

// fullDuplex lets a handler answer while it reads. HTTP/2 needs no asking, and
// says that it does not support it.
func fullDuplex(w http.ResponseWriter) error {
	err := http.NewResponseController(w).EnableFullDuplex()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// tell reports on one node. When the client is gone, its body's end tells.
func (l *load) tell(node *api.Node, state, message string, bytes int64) {
	_ = l.out.write(api.LoadProgress{
		Node: node.ID, NodeName: node.Name, State: state, Message: message, Bytes: bytes, Total: l.total,
	})
}

// run sends the archive, waits for the nodes and notes the images.
func (l *load) run(r *http.Request, down int) error {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	ended := make(chan struct{}, len(l.nodes))
	for _, n := range l.nodes {
		go func() {
			defer func() { ended <- struct{}{} }()
			n.receive(ctx, l)
		}()
	}
	err := l.distribute(r.Body)
	if err != nil {
		cancel(err) // a stream that ends without End is thrown away by the node
	}
	for _, n := range l.nodes {
		close(n.pieces)
	}
	for range l.nodes {
		<-ended
	}
	if err != nil {
		return err
	}
	return l.finish(r, down)
}

// distribute hands the pieces to all nodes that are still with it.
func (l *load) distribute(body io.Reader) error {
	for {
		piece, err := readPiece(body)
		if len(piece) > 0 {
			with := 0
			for _, n := range l.nodes {
				if n.take(piece) {
					with++
				}
			}
			if with == 0 {
				return nil // finish says why
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return api.Invalidf("the archive is cut short: %w", err)
		}
	}
}

// readPiece reads until the piece is full or the reader ends; io.EOF is a clean
// end.
func readPiece(r io.Reader) ([]byte, error) {
	piece, filled := make([]byte, pieceSize), 0
	for filled < len(piece) {
		n, err := r.Read(piece[filled:])
		filled += n
		if err != nil {
			return piece[:filled], err
		}
	}
	return piece, nil
}

// finish notes the names of what was loaded and writes the last line.
func (l *load) finish(r *http.Request, down int) error {
	var failure error
	var loaded []*receiver
	for _, n := range l.nodes {
		switch {
		case n.err == nil:
			loaded = append(loaded, n)
		case failure == nil || api.CodeOf(failure) == api.CodeUnavailable:
			failure = n.err
		}
	}
	if len(loaded) == 0 {
		return failure
	}
	images, dissent := agreed(loaded)
	if len(images) == 0 && dissent == nil {
		return api.Invalidf("the archive has no image with a name: save it by its name")
	}
	if _, _, err := l.api.commit(r, func(d *deploy.Draft) error {
		recordImages(d, images)
		return nil
	}); err != nil || dissent != nil {
		return cmp.Or(begun(err), dissent)
	}
	_ = l.out.write(api.LoadProgress{ // the client may be gone
		State: api.LoadDone, Message: fmt.Sprintf("loaded on %d of %d nodes", len(loaded), len(l.nodes)+down), Images: images,
	})
	return nil
}

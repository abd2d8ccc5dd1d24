package server

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

// guests are the requests that are being answered, by who sent them. A request may last
// as long as its connection, and what it was let in by need not: see Server.watchGuests.
type guests struct {
	mu  sync.Mutex
	all map[*guest]struct{}
}

// guest is a request by a certificate.
type guest struct {
	peer    ca.Peer
	tls     *tls.ConnectionState
	cancel  context.CancelCauseFunc
	control *http.ResponseController

	mu   sync.Mutex
	left bool
}

// lastAnswer is how long a request that is put out has to write what it was writing.
const lastAnswer = 100 * time.Millisecond

// put ends the request: also one that waits for its client to read, or to say something.
func (g *guest) put(out error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left {
		return // the control is of no request any more
	}
	g.cancel(out)
	// Without deadlines, as in tests of handlers, its context has to do.
	_ = g.control.SetReadDeadline(time.Unix(1, 0))
	_ = g.control.SetWriteDeadline(time.Now().Add(lastAnswer))
}

// enter notes a request, until leave is called.
func (g *guests) enter(w http.ResponseWriter, r *http.Request, peer ca.Peer) (each *guest, with *http.Request, leave func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	each = &guest{peer: peer, tls: r.TLS, cancel: cancel, control: http.NewResponseController(w)}
	g.mu.Lock()
	g.all[each] = struct{}{}
	g.mu.Unlock()
	return each, r.WithContext(ca.WithPeer(ctx, peer)), func() {
		g.mu.Lock()
		delete(g.all, each)
		g.mu.Unlock()
		each.mu.Lock()
		each.left = true
		each.mu.Unlock()
		cancel(nil)
	}
}

func (g *guests) list() []*guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*guest, 0, len(g.all))
	for each := range g.all {
		list = append(list, each)
	}
	return list
}

// watchGuests puts out those who would not be let in any more: a node that was removed or
// demoted, and who shows a certificate of a CA that was replaced. It returns with ctx. A
// node's session is the dispatcher's: it ends with the node, and goes on over a rotation
// of the CA, in which the node has shown a new certificate.
func (s *Server) watchGuests(ctx context.Context) error {
	watcher := s.config.Store.Watch()
	defer watcher.Close()
	changed := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		for {
			update, err := watcher.Next(ctx)
			if err != nil {
				ended <- err
				return
			}
			if mayPutOut(update) {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		}
	}()
	for {
		replaced := s.config.Credentials.Replaced()
		s.look()
		select {
		case err := <-ended:
			return err
		case <-changed:
		case <-replaced:
		}
	}
}

// mayPutOut says whether an update changes who a node is.
func mayPutOut(update store.Update) bool {
	for _, change := range update.Changes {
		if before, is := change.Old.(*api.Node); is && before != nil {
			if after, _ := change.New.(*api.Node); after == nil || after.Role != before.Role {
				return true
			}
		}
	}
	return false
}

// look puts out who is not to be there any more.
func (s *Server) look() {
	snapshot := s.config.Store.Snapshot()
	for _, each := range s.guests.list() {
		if err := s.standing(snapshot, each); err != nil {
			each.put(err)
		}
	}
}

// standing is why a guest, who was let in, is not to stay; nil if it is.
func (s *Server) standing(snapshot *store.Snapshot, g *guest) error {
	if !s.config.Credentials.Trusts(g.tls) {
		return distrusted(g.peer)
	}
	if g.peer.Role == ca.RoleClient {
		return nil
	}
	switch node := store.Get[api.Node](snapshot, g.peer.ID); {
	case node == nil:
		return session.Removed()
	case node.Role == api.RoleWorker && g.peer.Role == ca.RoleManager:
		return api.Errorf(api.CodeForbidden, "this node is no manager any more")
	}
	return nil
}

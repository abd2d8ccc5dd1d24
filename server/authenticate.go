package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

// refuse answers who is not let in. Who has a better certificate now shows it on the
// next connection, and who was removed has no more business on this one.
func refuse(w http.ResponseWriter, err error) {
	if api.CodeOf(err) == api.CodeUnauthorized || api.ReasonOf(err) == api.ReasonRemoved {
		w.Header().Set("Connection", "close")
	}
	session.Refuse(w, err)
}

// authenticate says to the handlers who sent a request (ca.PeerFrom). A node is
// what the database says of it, at most: one that was removed is refused, and
// one that was demoted is a worker whatever its certificate says.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, local := ca.PeerFrom(r.Context()); local || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		peer, err := s.peer(r)
		if err != nil {
			refuse(w, err)
			return
		}
		guest, r, leave := s.guests.enter(w, r, peer)
		defer leave()
		if err := s.standing(s.config.Store.Snapshot(), guest); err != nil { // since a moment
			refuse(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) peer(r *http.Request) (ca.Peer, error) {
	peer, ok := ca.PeerOf(r.TLS)
	if !ok || peer.Cluster != s.config.Credentials.Peer().Cluster {
		return ca.Peer{}, api.Errorf(api.CodeUnauthorized, "the certificate is not one of this cluster")
	}
	if !s.config.Credentials.Trusts(r.TLS) { // the connection is older than the CA's root
		return ca.Peer{}, distrusted(peer)
	}
	if peer.Role == ca.RoleClient {
		return peer, nil
	}
	node := store.Get[api.Node](s.config.Store.Snapshot(), peer.ID)
	if node == nil {
		if !s.gate.Spend(nameOf(peer), lookupCost) {
			return ca.Peer{}, tooMany()
		}
		if err := s.managers.LeftBehind(r, peer); err != nil {
			return ca.Peer{}, err
		}
		// It may have joined through another manager a moment ago.
		var err error
		if node, err = s.newest(r.Context(), peer.ID); err != nil {
			return ca.Peer{}, err
		}
	}
	if node.Role == api.RoleManager {
		return peer, nil
	}
	if peer.Role == ca.RoleManager && r.URL.Path == "/v1/alive" {
		return peer, s.demoted(r, peer)
	}
	peer.Role = ca.RoleWorker
	return peer, nil
}

// demoted is what a manager hears of a node that shows a manager's certificate and is a
// worker; nil if it is a manager since a moment. It goes by that what it is, so it is told
// what is so now.
func (s *Server) demoted(r *http.Request, peer ca.Peer) error {
	if !s.gate.Spend(nameOf(peer), lookupCost) {
		return tooMany()
	}
	node, err := s.newest(r.Context(), peer.ID)
	switch {
	case err != nil:
		return err
	case node.Role == api.RoleManager:
		return nil
	case ca.Term(r.TLS.PeerCertificates[0]) > node.Term && s.managers.Outlived(r, node):
		return session.Split()
	}
	return session.Demoted()
}

// newest looks a node up, of which another manager may know more.
func (s *Server) newest(ctx context.Context, id string) (*api.Node, error) {
	revision, err := s.config.Store.Linearized(ctx)
	if err != nil {
		return nil, api.Errorf(api.CodeUnavailable, "look up the node: %w", err)
	}
	snapshot, err := s.config.Store.WaitFor(ctx, revision)
	if err != nil {
		return nil, api.Errorf(api.CodeUnavailable, "look up the node: %w", err)
	}
	node := store.Get[api.Node](snapshot, id)
	if node == nil {
		return nil, session.Removed()
	}
	return node, nil
}

// distrusted is what a peer hears whose certificate is of a root that is trusted no more.
func distrusted(peer ca.Peer) error {
	message := "the certificate is of a CA that was replaced"
	if peer.Role == ca.RoleClient {
		message += ": `orc context create` on a manager makes a new one"
	}
	return api.Errorf(api.CodeUnauthorized, "%s", message)
}

// limit bounds what those without a certificate can cost, who may only join, and
// what one worker can: all that a stolen one's certificate is good for.
func (s *Server) limit(next http.Handler) http.Handler {
	known := func(r *http.Request) bool {
		_, known := ca.PeerFrom(r.Context())
		return known
	}
	return s.gate.Strangers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer, _ := ca.PeerFrom(r.Context()); peer.Role == ca.RoleWorker {
			if !s.gate.Spend(nameOf(peer), s.cost(peer, r)) {
				session.Refuse(w, tooMany())
				return
			}
			if !endless(r) {
				s.gate.Bound(w, r)
			}
		}
		next.ServeHTTP(w, r)
	}), known, func(w http.ResponseWriter, why limit.Verdict) {
		session.Refuse(w, api.Errorf(api.CodeUnavailable, "%s", why))
	})
}

const (
	// lookupCost is for asking the other managers of a node, sessionCost for a write to
	// the database.
	lookupCost  = 10
	sessionCost = 10
)

// cost of a worker's request. A stream that a manager has asked it for costs nothing:
// how many those are is not the worker's choice.
func (s *Server) cost(peer ca.Peer, r *http.Request) int {
	if id, ok := strings.CutPrefix(r.URL.Path, "/v1/streams/"); ok && s.dispatcher.Awaits(id, peer.ID) {
		return 0
	}
	if r.URL.Path == "/v1/session" {
		return sessionCost
	}
	return 1
}

// endless says that what a worker sends has no end that could be waited for: a session
// and a stream bound by themselves what they keep.
func endless(r *http.Request) bool {
	return r.URL.Path == "/v1/session" || strings.HasPrefix(r.URL.Path, "/v1/streams/")
}

func tooMany() error {
	return api.Errorf(api.CodeUnavailable, "too many requests of this node: try again in some seconds")
}

package server

import (
	"net/http"

	"golang.org/x/time/rate"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

const (
	// strangersPerSecond bounds the requests of those without a certificate, who
	// may only join: a signature each is what they cost.
	strangersPerSecond = 100
	// maxStrangerBody bounds what they may send, in bytes.
	maxStrangerBody = 64 << 10
)

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
			session.Refuse(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(ca.WithPeer(r.Context(), peer)))
	})
}

func (s *Server) peer(r *http.Request) (ca.Peer, error) {
	peer, ok := ca.PeerOf(r.TLS)
	if !ok || peer.Cluster != s.config.Credentials.Peer().Cluster {
		return ca.Peer{}, api.Errorf(api.CodeUnauthorized, "the certificate is not one of this cluster")
	}
	if peer.Role == ca.RoleClient {
		return peer, nil
	}
	node := store.Get[api.Node](s.config.Store.Snapshot(), peer.ID)
	if node == nil {
		// It may have joined through another manager a moment ago.
		revision, err := s.config.Store.Linearized(r.Context())
		if err != nil {
			return ca.Peer{}, api.Errorf(api.CodeUnavailable, "look up the node: %w", err)
		}
		snapshot, err := s.config.Store.WaitFor(r.Context(), revision)
		if err != nil {
			return ca.Peer{}, api.Errorf(api.CodeUnavailable, "look up the node: %w", err)
		}
		if node = store.Get[api.Node](snapshot, peer.ID); node == nil {
			return ca.Peer{}, session.Removed()
		}
	}
	if node.Role == api.RoleWorker {
		peer.Role = ca.RoleWorker
	}
	return peer, nil
}

// limitStrangers bounds what those without a certificate can cost.
func limitStrangers(next http.Handler) http.Handler {
	limiter := rate.NewLimiter(strangersPerSecond, strangersPerSecond)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, known := ca.PeerFrom(r.Context()); !known {
			if !limiter.Allow() {
				session.Refuse(w, api.Errorf(api.CodeUnavailable, "too many requests: try again in a second"))
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxStrangerBody)
		}
		next.ServeHTTP(w, r)
	})
}

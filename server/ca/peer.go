package ca

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"slices"

	"github.com/orc-project/orc/api"
)

// The roles of peers, beside the nodes' own.
const (
	RoleManager = string(api.RoleManager)
	RoleWorker  = string(api.RoleWorker)
	RoleClient  = "client" // a user's certificate
	RoleLocal   = "local"  // the unix socket, which only root can open
)

// Peer is who the other end of a connection is.
type Peer struct {
	ID      string // a node's ID, or the name that a client's certificate was made for
	Role    string
	Cluster string // api.Cluster.Identity
}

// ServerName is the DNS name that every certificate of the role has, for
// tls.Config.ServerName.
func ServerName(role string) string { return role + ".orc.internal" }

// PeerOf reads who the peer of a connection is from its certificate, which the
// TLS stack has verified already. It is false when the peer showed none.
func PeerOf(state *tls.ConnectionState) (Peer, bool) {
	if state == nil || len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) < 2 {
		return Peer{}, false
	}
	return peerOf(state.VerifiedChains[0][0])
}

func peerOf(certificate *x509.Certificate) (Peer, bool) {
	subject := certificate.Subject
	if certificate.IsCA || len(subject.Organization) != 1 || len(subject.OrganizationalUnit) != 1 || subject.CommonName == "" {
		return Peer{}, false
	}
	peer := Peer{ID: subject.CommonName, Role: subject.OrganizationalUnit[0], Cluster: subject.Organization[0]}
	// No certificate can give the socket's rights.
	return peer, slices.Contains([]string{RoleManager, RoleWorker, RoleClient}, peer.Role)
}

type peerKey struct{}

// WithPeer notes in a request's context who sent it.
func WithPeer(ctx context.Context, peer Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, peer)
}

// PeerFrom tells who sent a request. It is false for one without a certificate.
func PeerFrom(ctx context.Context) (Peer, bool) {
	peer, ok := ctx.Value(peerKey{}).(Peer)
	return peer, ok
}

// Require is the check of every handler: the sender must have one of the roles.
func Require(ctx context.Context, roles ...string) error {
	peer, ok := PeerFrom(ctx)
	if !ok {
		return api.Errorf(api.CodeUnauthorized, "a client certificate is needed: `orc context create` makes one")
	}
	if !slices.Contains(roles, peer.Role) {
		return api.Errorf(api.CodeForbidden, "a %s may not do this", peer.Role)
	}
	return nil
}

package session

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/pem"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// root is the digest of a CA's certificate.
type root = [sha256.Size]byte

type rootsKey struct{}

// withRoots notes by which roots a session's node was verified.
func withRoots(ctx context.Context, connection *tls.ConnectionState) context.Context {
	if connection == nil {
		return ctx
	}
	var roots []root
	for _, chain := range connection.VerifiedChains {
		roots = append(roots, sha256.Sum256(chain[len(chain)-1].Raw))
	}
	return context.WithValue(ctx, rootsKey{}, roots)
}

// observeRoots ends the sessions that are older than the roots that are trusted now: they
// were begun by a certificate of one that was dropped. Their nodes have got others before
// that, and are back with them at once, each at a moment of its own.
func (d *Dispatcher) observeRoots(change store.Change) {
	before, _ := change.Old.(*api.Cluster)
	after, _ := change.New.(*api.Cluster)
	if before == nil || after == nil || slices.Equal(before.Roots, after.Roots) {
		return
	}
	trusted := rootsOf(after.Roots)
	for _, p := range d.nodes {
		if s := p.session; s != nil && s.outlives(trusted) {
			time.AfterFunc(rand.N(renewWithin(d.snapshot)+1), func() { s.cut(outlived()) })
		}
	}
}

// outlives says whether none of the roots is one that the node was verified by.
func (s *session) outlives(trusted []root) bool {
	return len(s.roots) > 0 && !slices.ContainsFunc(s.roots, func(r root) bool { return slices.Contains(trusted, r) })
}

func outlived() error {
	return api.Errorf(api.CodeUnavailable, "the session is of a CA that was replaced: connect again")
}

// rootsOf reads PEM.
func rootsOf(text []byte) []root {
	var roots []root
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return roots
		}
		roots, text = append(roots, sha256.Sum256(block.Bytes)), rest
	}
}

package node

import (
	"bytes"
	"context"
	"encoding/pem"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

// maxFormer is how many roots of before a node remembers.
const maxFormer = 16

// followRoots takes over what the cluster says of its CA: which roots to trust, and of
// which one the certificate is to be. If it is of another it is renewed within a time.
func (n *process) followRoots(roots []byte, issuer string, within time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.roots, n.issuer = roots, issuer
	if !n.issuedAsTold(n.credentials) {
		select {
		case n.outdated <- within:
		default: // it has been told
		}
	}
	return n.takeRoots()
}

// trustAgain takes over what followRoots could not, for want of room or of a certificate
// of those roots.
func (n *process) trustAgain() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.takeRoots()
}

// takeRoots trusts what the cluster has told to. n.mu is held.
func (n *process) takeRoots() error {
	if n.roots == nil {
		return nil
	}
	old, err := n.dir.roots()
	if err != nil || bytes.Equal(old, n.roots) {
		return err
	}
	return n.putInForce(n.dir.pair.text, n.roots)
}

// issuedAsTold says whether credentials are of the root that they are to be of. n.mu is
// held.
func (n *process) issuedAsTold(credentials *ca.Credentials) bool {
	return n.issuer == "" || credentials.Trust().Issuer == n.issuer
}

// putInForce writes the pair of certificate and key and the roots, goes by them from
// now on, and lets the cluster know. n.mu is held.
func (n *process) putInForce(pair, roots []byte) error {
	next, err := ca.NewCredentials(pair, pair, roots)
	if err != nil {
		return err
	}
	if err := n.rememberRoots(n.credentials.Trust().Roots, next.Trust().Roots); err != nil {
		return err
	}
	if err := n.dir.saveCredentials(certificates(pair), pem.EncodeToMemory(keyBlock(pair)), roots); err != nil {
		return err
	}
	if err := n.credentials.Replace(pair, pair, roots); err != nil {
		return err
	}
	for _, each := range []chan struct{}{n.describing, n.acknowledging} {
		select {
		case each <- struct{}{}:
		default:
		}
	}
	return nil
}

// rememberRoots keeps the roots that are trusted no more: a unit that starts this node
// with a join token of theirs means this cluster.
func (n *process) rememberRoots(before, after []string) error {
	former := slices.Clone(n.identity.Former)
	for _, each := range before {
		if !slices.Contains(after, each) && !slices.Contains(former, each) {
			former = append(former, each)
		}
	}
	if len(former) == len(n.identity.Former) {
		return nil
	}
	n.identity.Former = former[max(0, len(former)-maxFormer):]
	return n.dir.save(n.identity)
}

// trusted is by which roots this node goes.
func (n *process) trusted() api.Trust {
	trust := n.credentials.Trust()
	if n.database != nil {
		trust.Database = n.database.trusts
	}
	return trust
}

// acknowledgeTrust writes by which roots this manager goes, whenever that has changed,
// until ctx ends.
func (n *process) acknowledgeTrust(ctx context.Context) error {
	for {
		_, _, err := deploy.Commit(ctx, n.database.store, func(d *deploy.Draft) error {
			before := store.Get[api.Node](d.Snapshot(), n.identity.ID)
			trust := n.trusted()
			if before == nil || api.EqualSpec(before.Trust, trust) {
				return nil
			}
			after := *before
			after.Trust = trust
			d.Put(before, &after)
			return nil
		})
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			n.log.Warn("the cluster does not know yet by which CA this manager goes: trying again", zap.Error(err))
			again = time.After(keyRetry)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.acknowledging:
		case <-again:
		}
	}
}

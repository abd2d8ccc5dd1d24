package node

import (
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

// lingerPause is the time between two looks at whether a removed manager's member is
// gone, after which nothing of it is heard any more.
const lingerPause = 100 * time.Millisecond

// watchTrust makes this manager trust whom the cluster trusts until ctx ends.
func (n *process) watchTrust(ctx context.Context) error {
	n.follow(true)
	defer n.follow(false)
	watcher := n.database.store.Watch()
	defer watcher.Close()
	var seen *api.Cluster
	for {
		update, err := n.nextOrGone(ctx, watcher)
		if err != nil {
			return err
		}
		cluster := store.Get[api.Cluster](update.Snapshot, api.ClusterID)
		if cluster == nil || cluster == seen {
			continue
		}
		seen = cluster
		n.ban(cluster)
		if err := n.followRoots(cluster.Roots, cluster.CA.Issuer, 0); err != nil {
			n.log.Error("the cluster's CA certificates cannot be taken over", zap.Error(err))
		}
		n.database.member.Recheck()
	}
}

// follow notes whether the database tells whom to trust.
func (n *process) follow(database bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.following = database; !database {
		n.left = nil
	}
}

// nextOrGone waits for the next update, and meanwhile puts out what is left of banned
// managers once their members are gone.
func (n *process) nextOrGone(ctx context.Context, watcher store.Watcher) (store.Update, error) {
	for n.lingers() {
		soon, cancel := context.WithTimeout(ctx, lingerPause)
		update, err := watcher.Next(soon)
		cancel()
		if !n.lingers() {
			n.database.member.Recheck()
		}
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return update, err
		}
	}
	return watcher.Next(ctx)
}

// banned says whether a certificate is of a manager that was removed, or demoted after it
// was issued. One that was promoted again has one of a later term: a manager that has not
// heard of that yet does not keep it out.
func (n *process) banned(certificate *x509.Certificate) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := certificate.Subject.CommonName
	if _, found := n.left[name]; found {
		return true
	}
	if _, found := n.identity.Banned[name]; !found {
		return false
	}
	last, again := n.identity.BannedTerms[name]
	return !again || ca.Term(certificate) <= last
}

// agreed says whether it is known of a manager that its removal was agreed on by most of
// the managers that it was one of: of one that the cluster was forced to go on without,
// it was not. Only what the database says now is knowledge.
func (n *process) agreed(certificate *x509.Certificate) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, found := n.left[certificate.Subject.CommonName]
	return n.left != nil && !found
}

// lingers says whether a member of a banned manager is still there.
func (n *process) lingers() bool {
	n.mu.Lock()
	banned := n.identity.Banned
	n.mu.Unlock()
	return slices.ContainsFunc(n.database.member.Known(), func(each store.Member) bool {
		_, found := banned[each.Name]
		return found
	})
}

// ban keeps who is not heard any more.
func (n *process) ban(cluster *api.Cluster) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left = maps.Clone(cluster.LeftBehind)
	if n.left == nil {
		n.left = make(map[string]api.LeftBehind)
	}
	if maps.EqualFunc(cluster.Banned, n.identity.Banned, time.Time.Equal) && maps.Equal(cluster.BannedTerms, n.identity.BannedTerms) {
		return
	}
	n.identity.Banned, n.identity.BannedTerms = cluster.Banned, cluster.BannedTerms
	if err := n.dir.save(n.identity); err != nil {
		n.log.Warn("who was removed cannot be kept for the next start", zap.Error(err))
	}
}

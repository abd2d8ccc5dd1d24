package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// lingerPause is the time between two looks at whether a removed manager's member is
// gone, after which nothing of it is heard any more.
const lingerPause = 100 * time.Millisecond

// watchTrust makes this manager trust whom the cluster trusts until ctx ends.
func (n *process) watchTrust(ctx context.Context) error {
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
		n.ban(cluster.Banned)
		n.database.member.Recheck()
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

// banned says whether a node was a manager and is none any more.
func (n *process) banned(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.identity.Banned, node)
}

// lingers says whether a member of a banned manager is still there.
func (n *process) lingers() bool {
	return slices.ContainsFunc(n.database.member.Known(), func(each store.Member) bool { return n.banned(each.Name) })
}

// ban keeps who is not heard any more.
func (n *process) ban(nodes []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if slices.Equal(nodes, n.identity.Banned) {
		return
	}
	n.identity.Banned = nodes
	if err := n.dir.save(n.identity); err != nil {
		n.log.Warn("who was removed cannot be kept for the next start", zap.Error(err))
	}
}

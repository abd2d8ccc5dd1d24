// Package rotation carries a rotation of the CA's root on: it begins the next phase
// when every node has done what the present one asks, and tells which have not.
//
// What a phase is and when a node has done it, package ca says; what they do, the
// nodes do by themselves (package node). All state is in the database: whoever comes
// to lead goes on where the one before was.
package rotation

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

// Keep begins phases while this manager leads.
func Keep(ctx context.Context, s store.Store, leadership store.Leadership, log *zap.Logger) error {
	watcher := s.Watch()
	defer watcher.Close()
	for {
		update, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		before, after, err := next(update.Snapshot)
		if err != nil {
			log.Error("the rotation of the CA cannot go on", zap.Error(err))
			continue
		}
		if after == nil {
			continue
		}
		after.Updated = time.Now().UTC()
		tx := &store.Tx{}
		tx.Update(after)
		switch _, err := leadership.Commit(ctx, tx); {
		case errors.Is(err, store.ErrConflict): // of something newer, which comes next
		case err != nil:
			return err
		case before.CA.Phase != after.CA.Phase:
			log.Info("rotating the CA", zap.String("done", string(before.CA.Phase)), zap.String("next", string(after.CA.Phase)))
		}
	}
}

// next is what the cluster is to become, or nil when there is nothing to be done yet.
// A node that joins or goes meanwhile changes the cluster's object or does not matter:
// the commit of what is decided here would meet it.
func next(snapshot *store.Snapshot) (before, after *api.Cluster, err error) {
	before = store.Get[api.Cluster](snapshot, api.ClusterID)
	if before == nil || before.CA.Phase == api.CASettled && len(before.CA.Bridges) == 0 {
		return before, nil, nil
	}
	progress, err := ca.ProgressOf(before)
	if err != nil {
		return before, nil, err
	}
	bridged := false
	for node := range store.All[api.Node](snapshot) {
		trust := trustOf(snapshot, node)
		if !progress.Done(trust) {
			return before, nil, nil
		}
		bridged = bridged || node.Role == api.RoleManager && progress.Bridged(trust)
	}
	changed := *before
	switch {
	case before.CA.Phase != api.CASettled:
		err = ca.Advance(&changed)
	case bridged:
		return before, nil, nil
	default:
		changed.CA.Bridges = nil
	}
	return before, &changed, err
}

func trustOf(snapshot *store.Snapshot, node *api.Node) api.Trust {
	return ca.TrustOf(node, store.Get[api.NodeStatus](snapshot, node.ID))
}

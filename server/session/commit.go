package session

import (
	"context"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/network"
	"github.com/orc-project/orc/store"
)

// commit turns a batch into one transaction on the newest snapshot and writes
// it, unless there is nothing to write.
//
// Every status of a task requires that its node's status still names the session
// that reported it: what an older session sent late is not written.
func (s *scribe) commit(ctx context.Context, b batch) error {
	snapshot, err := s.store.WaitFor(ctx, s.revision)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	tx := &store.Tx{}
	written, missing := s.addNodes(tx, snapshot, b, now)
	if missing && s.catchUp(ctx) == nil {
		// A node that has only just joined: look again, then believe it.
		if snapshot, err = s.store.WaitFor(ctx, s.revision); err != nil {
			return err
		}
		tx = &store.Tx{}
		written, _ = s.addNodes(tx, snapshot, b, now)
	}
	s.addReports(tx, snapshot, b.reports, now)
	if tx.Len() > 0 {
		revision, err := s.store.Commit(ctx, tx)
		if err != nil {
			return err
		}
		s.revision = max(s.revision, revision)
	}
	for _, node := range b.nodes {
		switch {
		case store.Get[api.Node](snapshot, node) == nil:
			finish(b.writes[node], 0, Removed())
		case written[node]:
			finish(b.writes[node], s.revision, nil)
		default:
			finish(b.writes[node], 0, nil)
		}
	}
	return nil
}

func (s *scribe) addNodes(tx *store.Tx, snapshot *store.Snapshot, b batch, now time.Time) (written map[string]bool, missing bool) {
	written = make(map[string]bool)
	for _, id := range b.nodes {
		node := store.Get[api.Node](snapshot, id)
		if node == nil {
			missing = true
			continue
		}
		before := store.Get[api.NodeStatus](snapshot, id)
		after := before
		for _, each := range b.writes[id] {
			if changed := each.change(after, now); changed != nil {
				after = changed
			}
		}
		switch {
		case after == before:
			continue
		case before == nil:
			after.Updated = now
			tx.Create(after)
			tx.Require(node)
		default:
			after.Updated = now
			tx.Update(after)
		}
		written[id] = true
	}
	return written, missing
}

func (s *scribe) addReports(tx *store.Tx, snapshot *store.Snapshot, reports []report, now time.Time) {
	fenced := make(map[string]bool) // by node: its status is required already
	for _, each := range reports {
		node := each.session.node
		status := store.Get[api.NodeStatus](snapshot, node)
		if status == nil || status.Session != each.session.id {
			each.session.log.Debug("dropped a status of an older session", zap.String("task", api.ShortID(each.status.ID)))
			continue
		}
		task := store.Get[api.Task](snapshot, each.status.ID)
		if task == nil || task.Node != node {
			continue
		}
		stored := store.Get[api.TaskStatus](snapshot, task.ID)
		each.status.Addresses = each.session.owned(snapshot, task, each.status.Addresses)
		update := next(task, stored, &each.status, now)
		if update == nil {
			continue
		}
		if !fenced[node] {
			fenced[node] = true
			tx.Require(status)
		}
		if stored == nil {
			tx.Require(task) // or a forgotten task would leave its status behind
			tx.Create(update)
		} else {
			tx.Update(update)
		}
	}
}

// owned are the addresses that the node may give its task. The first others of a session
// are told of: an agent that is in order has none. snapshot knows of the session, so it
// is not older than what the node's addresses are from.
func (s *session) owned(snapshot *store.Snapshot, task *api.Task, addresses map[string]netip.Addr) map[string]netip.Addr {
	owned := network.Owned(snapshot, task, addresses)
	if len(owned) < len(addresses) && !s.overreached.Swap(true) {
		s.log.Warn("the node gives a task addresses that are not its own to give: they are left out",
			zap.String("task", api.ShortID(task.ID)), zap.Any("said", addresses))
	}
	return owned
}

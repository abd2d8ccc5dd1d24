package managers

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

// Enter makes a node that is a manager already, and whose database is empty, a
// member: a learner at first. It may be called again for the same node: what an
// earlier attempt left behind, or a database that the node has lost, goes first.
func (m *Managers) Enter(ctx context.Context, node string, request api.MemberRequest) (api.MemberAnswer, error) {
	if m.config.Members == nil {
		return api.MemberAnswer{}, api.Errorf(api.CodeUnavailable, "this manager's database has no members")
	}
	leave, err := m.turn(ctx)
	if err != nil {
		return api.MemberAnswer{}, err
	}
	defer leave()
	members, err := m.config.Members.Members(ctx)
	if err != nil {
		return api.MemberAnswer{}, away(err)
	}
	snapshot, err := deploy.Newest(ctx, m.config.Store)
	if err != nil {
		return api.MemberAnswer{}, err
	}
	if self := store.Get[api.Node](snapshot, node); self == nil || self.Role != api.RoleManager {
		return api.MemberAnswer{}, noManager()
	}
	for _, each := range members {
		if err := m.makeRoom(ctx, snapshot, members, each, node, request.Peer); err != nil {
			return api.MemberAnswer{}, err
		}
	}
	learner, err := m.config.Members.AddLearner(ctx, request.Peer)
	if err != nil {
		return api.MemberAnswer{}, away(err)
	}
	if err := m.note(ctx, node, learner.ID, request.API); err != nil {
		return api.MemberAnswer{}, errors.Join(err, m.config.Members.Remove(ctx, learner.ID))
	}
	if members, err = m.config.Members.Members(ctx); err != nil {
		return api.MemberAnswer{}, away(err)
	}
	answer := api.MemberAnswer{Peers: make(map[string]string)}
	for _, each := range members {
		name := each.Name
		switch {
		case each.ID == learner.ID:
			name = node
		case name == "":
			name = each.Address // it has not run yet: any name that is nobody else's
		}
		answer.Peers[name] = each.Address
	}
	if answer.Ring, err = m.config.Keys(); err != nil {
		return api.MemberAnswer{}, err
	}
	m.log.Info("a manager joins", zap.String("node", node), zap.String("peer", request.Peer))
	return answer, nil
}

// makeRoom removes a member if it is what the node was before, or what was to be
// at its address and never came. Another manager's is not touched.
func (m *Managers) makeRoom(ctx context.Context, s *store.Snapshot, members []store.Member, old store.Member, node, address string) error {
	owner := ownerOf(s, old)
	own := owner != nil && owner.ID == node
	switch {
	case !own && old.Address != address:
		return nil
	case !own && owner != nil && old.Name != "":
		return api.Conflictf("the address %s is that of the manager %s: choose another with --advertise, or remove that one first (`orc node rm %s`)",
			address, owner.Name, owner.Name)
	}
	if err := m.mayGo(ctx, members, old); err != nil {
		return api.Errorf(api.CodeUnavailable, "%w", err) // it may in a moment
	}
	m.log.Info("removing what a manager's earlier database left", zap.String("node", node), zap.String("peer", old.Address))
	return away(m.config.Members.Remove(ctx, old.ID))
}

// ownerOf is the node whose member it is, or nil.
func ownerOf(s *store.Snapshot, member store.Member) *api.Node {
	if node := store.Get[api.Node](s, member.Name); node != nil {
		return node
	}
	for node := range store.All[api.Node](s) {
		if node.Member == member.ID {
			return node
		}
	}
	return nil
}

// note writes which member is the node's, and where its API is.
func (m *Managers) note(ctx context.Context, id string, member uint64, address string) error {
	_, _, err := deploy.Commit(ctx, m.config.Store, func(d *deploy.Draft) error {
		node := store.Get[api.Node](d.Snapshot(), id)
		if node == nil || node.Role != api.RoleManager {
			return noManager()
		}
		after := *node
		after.Member, after.API, after.Updated = member, address, time.Now().UTC()
		d.Put(node, &after)
		return nil
	})
	return err
}

func noManager() error {
	return api.Errorf(api.CodeForbidden, "the node is no manager any more")
}

func away(err error) error {
	if err == nil {
		return nil
	}
	return api.Errorf(api.CodeUnavailable, "the managers cannot change who they are now: %w; try again, and see `orc node ls`", err)
}

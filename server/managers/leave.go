package managers

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// MayLeave says why a manager cannot be demoted or removed now, or nil. By force it can,
// be the others there or not, unless nobody else has a vote: the database would be lost.
func (m *Managers) MayLeave(ctx context.Context, node *api.Node, force bool) error {
	if m.config.Members == nil {
		return lastManager(node.Name)
	}
	members, err := m.config.Members.Members(ctx)
	if err != nil {
		return away(err)
	}
	managers := all(m.config.Store.Snapshot())
	leaving := func(name string) bool { return managers[name] == nil }
	var stay []store.Member
	for _, each := range members {
		if each.Name == node.ID || !leaving(each.Name) {
			stay = append(stay, each)
		}
	}
	for _, each := range stay {
		if each.Name != node.ID {
			continue
		}
		if force {
			return m.notLast(stay, each)
		}
		return m.mayGo(ctx, stay, each)
	}
	if len(managers) == 1 {
		return lastManager(node.Name)
	}
	return nil // it has no database, or one that never ran
}

// mayGo says why a member cannot be done without, by what the others say now.
func (m *Managers) mayGo(ctx context.Context, members []store.Member, gone store.Member) error {
	if gone.Learner {
		return nil
	}
	managers := all(m.config.Store.Snapshot())
	return mayGo(members, gone, m.called, m.present(ctx, without(members, gone.ID), func(id string) *api.Node { return managers[id] }))
}

// notLast refuses to do without the only member that has a vote.
func (m *Managers) notLast(members []store.Member, gone store.Member) error {
	return mayGo(members, gone, m.called, func(string) bool { return true })
}

// called is a node's name.
func (m *Managers) called(id string) string {
	if node := store.Get[api.Node](m.config.Store.Snapshot(), id); node != nil && node.Name != "" {
		return node.Name
	}
	return api.ShortID(id)
}

// Leave removes the database of a node that is no manager any more; unless forced, if
// the quorum is not at stake now. The leader does it too, as soon as it may, and may have
// been quicker. This manager's own it leaves to the next leader: the others tell this one
// nothing any more.
func (m *Managers) Leave(ctx context.Context, node *api.Node, force bool) error {
	if m.config.Members == nil {
		return nil
	}
	if node.ID == m.config.Node && !force {
		if err := m.yield(ctx); err != nil {
			m.log.Warn("this manager leads until another one can", zap.Error(err))
		}
		return nil
	}
	leave, err := m.turn(ctx)
	if err != nil {
		return err
	}
	defer leave()
	err = m.leave(ctx, node, force)
	switch {
	case errors.Is(err, store.ErrRemoved) && node.ID == m.config.Node:
		return nil
	case err != nil && !force:
		m.log.Warn("the database of a node that is no manager goes later, at the leader's hand", zap.String("node", node.Name), zap.Error(err))
		return nil
	}
	return away(err)
}

func (m *Managers) leave(ctx context.Context, node *api.Node, force bool) error {
	members, err := m.config.Members.Members(ctx)
	if err != nil {
		return err
	}
	for _, each := range members {
		if each.Name != node.ID && each.ID != node.Member {
			continue
		}
		if each.ID == m.config.Members.Leader() && !force {
			continue // it lets another one lead first, which takes it out
		}
		mayGo := m.mayGo
		if force {
			mayGo = func(_ context.Context, members []store.Member, gone store.Member) error {
				return m.notLast(members, gone)
			}
		}
		if err := mayGo(ctx, members, each); err != nil {
			m.log.Warn("the database of a node that is no manager stays until it can be done without", zap.String("node", node.Name), zap.Error(err))
			return nil
		}
		if each.ID == m.config.Members.Self() {
			if err := m.yield(ctx); err != nil {
				return err
			}
		}
		if err := m.config.Members.Remove(ctx, each.ID); err != nil {
			return err
		}
	}
	return nil
}

// yieldTime is how long one manager may take to lead.
const yieldTime = 2 * time.Second

// yield lets another manager lead, if this one does: one that is to stay, or two that are
// to go would hand over to each other.
func (m *Managers) yield(ctx context.Context) error {
	members := m.config.Members
	for _, each := range m.heirs() {
		if members.Leader() != members.Self() {
			return nil
		}
		trying, cancel := context.WithTimeout(ctx, yieldTime)
		err := members.HandOver(trying, each.ID)
		cancel()
		if err == nil {
			return nil
		}
	}
	if members.Leader() != members.Self() {
		return nil
	}
	return members.Yield()
}

// heirs are the members of other managers that can lead, first those that are there.
func (m *Managers) heirs() []store.Member {
	managers := all(m.config.Store.Snapshot())
	heirs := slices.DeleteFunc(m.config.Members.Known(), func(each store.Member) bool {
		return each.Learner || each.ID == m.config.Members.Self() || managers[each.Name] == nil
	})
	slices.SortStableFunc(heirs, func(a, b store.Member) int {
		switch fit := m.Fits(a.Name); {
		case fit == m.Fits(b.Name):
			return 0
		case fit:
			return -1
		}
		return 1
	})
	return heirs
}

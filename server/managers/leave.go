package managers

import (
	"context"
	"errors"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// MayLeave says why a manager cannot be demoted or removed now, or nil.
func (m *Managers) MayLeave(ctx context.Context, node *api.Node) error {
	if m.config.Members == nil {
		return api.Conflictf("node %s is the last manager: make another one first (`orc node promote`)", node.Name)
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
		if each.Name == node.ID {
			return mayGo(stay, each, node.Name, m.Alive)
		}
	}
	if len(managers) == 1 {
		return api.Conflictf("node %s is the last manager: make another one first (`orc node promote`)", node.Name)
	}
	return nil // it has no database, or one that never ran
}

// Leave removes the database of a node that is no manager any more, whatever that
// does to the quorum. The leader would do it too, unless the quorum is at stake; it
// may have been quicker.
func (m *Managers) Leave(ctx context.Context, node *api.Node) error {
	if m.config.Members == nil {
		return nil
	}
	m.entering.Lock()
	defer m.entering.Unlock()
	err := m.leave(ctx, node)
	if errors.Is(err, store.ErrRemoved) && node.ID == m.config.Node {
		return nil
	}
	return away(err)
}

func (m *Managers) leave(ctx context.Context, node *api.Node) error {
	members, err := m.config.Members.Members(ctx)
	if err != nil {
		return err
	}
	for _, each := range members {
		if each.Name != node.ID && each.ID != node.Member {
			continue
		}
		if each.ID == m.config.Members.Leader() && each.ID == m.config.Members.Self() {
			if err := m.config.Members.Yield(); err != nil {
				return err
			}
		}
		if err := m.config.Members.Remove(ctx, each.ID); err != nil {
			return err
		}
	}
	return nil
}

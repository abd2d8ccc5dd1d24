package managers

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

const (
	// keepEvery is how often a leader compares the members with the nodes.
	keepEvery = 400 * time.Millisecond
	// entryTime is how long a manager that enters may take until its database runs.
	// One that comes later enters again.
	entryTime = time.Minute
)

// Keep makes the members what the nodes say, while this manager leads: it promotes
// learners that have caught up, and removes members of nodes that are no managers
// any more, unless the quorum would go with them.
func (m *Managers) Keep(ctx context.Context) error {
	if m.config.Members == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	waiting := make(map[uint64]time.Time)
	for {
		if err := m.handOver(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("no other manager leads yet: trying again", zap.Error(err))
		}
		if err := m.keep(ctx, waiting, time.Now()); err != nil && ctx.Err() == nil {
			m.log.Warn("the managers' databases are not as they should be: trying again", zap.Error(err))
		}
		if err := sleep.For(ctx, sleep.Next(keepEvery)); err != nil {
			return err
		}
	}
}

// keep makes one change at most. waiting notes since when members have not run yet.
func (m *Managers) keep(ctx context.Context, waiting map[uint64]time.Time, now time.Time) error {
	snapshot, known := m.config.Store.Snapshot(), m.config.Members.Known()
	if settled(snapshot, known) {
		clear(waiting)
		return nil
	}
	m.entering.Lock()
	defer m.entering.Unlock()
	members, err := m.config.Members.Members(ctx)
	if err != nil {
		return err
	}
	if snapshot, err = deploy.Newest(ctx, m.config.Store); err != nil {
		return err
	}
	for _, each := range members {
		owner := ownerOf(snapshot, each)
		switch {
		case each.Name == "":
			if since(waiting, each.ID, now) > entryTime {
				return m.drop(ctx, members, each)
			}
		case owner == nil || owner.Role != api.RoleManager:
			return m.drop(ctx, members, each)
		case each.Learner:
			return m.promote(ctx, each)
		}
	}
	return nil
}

// settled says whether every member is a voter and a manager's.
func settled(s *store.Snapshot, members []store.Member) bool {
	for _, each := range members {
		if node := store.Get[api.Node](s, each.Name); each.Learner || node == nil || node.Role != api.RoleManager {
			return false
		}
	}
	return true
}

func since(waiting map[uint64]time.Time, id uint64, now time.Time) time.Duration {
	if _, found := waiting[id]; !found {
		waiting[id] = now
	}
	return now.Sub(waiting[id])
}

func (m *Managers) promote(ctx context.Context, learner store.Member) error {
	if !m.present(ctx, []store.Member{{Name: learner.Name}})(learner.Name) {
		return nil // a vote that is not there would only raise the quorum
	}
	err := m.config.Members.Promote(ctx, learner.ID)
	if errors.Is(err, store.ErrBehind) {
		return nil
	}
	if err == nil {
		m.log.Info("a manager has caught up and votes", zap.String("node", learner.Name))
	}
	return err
}

func (m *Managers) drop(ctx context.Context, members []store.Member, gone store.Member) error {
	if err := m.mayGo(ctx, members, gone); err != nil {
		return err
	}
	if gone.ID == m.config.Members.Self() {
		return m.config.Members.Yield() // the next leader does it
	}
	m.log.Info("removing the database of a node that is no manager", zap.String("node", gone.Name), zap.String("peer", gone.Address))
	return m.config.Members.Remove(ctx, gone.ID)
}

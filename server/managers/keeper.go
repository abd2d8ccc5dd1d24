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
	// keepTime is how long it may take to make one change.
	keepTime = 10 * time.Second
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
		if err := m.keepFor(ctx, waiting); err != nil && ctx.Err() == nil {
			m.log.Warn("the managers' databases are not as they should be: trying again", zap.Error(err))
		}
		if err := sleep.For(ctx, sleep.Next(keepEvery)); err != nil {
			return err
		}
	}
}

// keepFor is keep, which ends: a change that another one's got in the way of is never
// acted on, nor refused.
func (m *Managers) keepFor(ctx context.Context, waiting map[uint64]time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	return m.keep(ctx, waiting, time.Now())
}

// keep makes one change at most. waiting notes since when members have not run yet.
func (m *Managers) keep(ctx context.Context, waiting map[uint64]time.Time, now time.Time) error {
	snapshot, known := m.config.Store.Snapshot(), m.config.Members.Known()
	if settled(snapshot, known) {
		clear(waiting)
		return nil
	}
	leave, err := m.turn(ctx)
	if err != nil {
		return err
	}
	defer leave()
	members, err := m.config.Members.Members(ctx)
	if err != nil {
		return err
	}
	if snapshot, err = deploy.Newest(ctx, m.config.Store); err != nil {
		return err
	}
	if self := store.Get[api.Node](snapshot, m.config.Node); self == nil || self.Role != api.RoleManager {
		return m.yield(ctx) // the others tell it nothing any more: the next leader goes on
	}
	var errs []error
	for _, each := range members {
		owner, changed := ownerOf(snapshot, each), false
		switch {
		case each.Name == "":
			if since(waiting, each.ID, now) > entryTime {
				changed, err = m.drop(ctx, snapshot, members, each)
			}
		case owner == nil || owner.Role != api.RoleManager:
			changed, err = m.drop(ctx, snapshot, members, each)
		case each.Learner:
			changed, err = m.promote(ctx, owner, each)
		}
		if errs = append(errs, err); changed || ctx.Err() != nil {
			break
		}
		err = nil // something may be done for another
	}
	return errors.Join(errs...)
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

func (m *Managers) promote(ctx context.Context, owner *api.Node, learner store.Member) (changed bool, err error) {
	if !m.present(ctx, []store.Member{{Name: learner.Name}}, func(string) *api.Node { return owner })(learner.Name) {
		return false, nil // a vote that is not there would only raise the quorum
	}
	err = m.config.Members.Promote(ctx, learner.ID)
	if errors.Is(err, store.ErrBehind) {
		return false, nil
	}
	if err == nil {
		m.log.Info("a manager has caught up and votes", zap.String("node", learner.Name))
	}
	return true, err
}

// drop removes a member that may go. Others that are to go too have a vote until they do,
// so those that are there are counted on: nobody but the leader does this, one by one.
func (m *Managers) drop(ctx context.Context, s *store.Snapshot, members []store.Member, gone store.Member) (changed bool, err error) {
	if !gone.Learner {
		there := m.present(ctx, without(members, gone.ID), func(id string) *api.Node { return store.Get[api.Node](s, id) })
		if err := mayGo(members, gone, m.called, there); err != nil {
			return false, err
		}
	}
	m.log.Info("removing the database of a node that is no manager", zap.String("node", gone.Name), zap.String("peer", gone.Address))
	return true, m.config.Members.Remove(ctx, gone.ID)
}

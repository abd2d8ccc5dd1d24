package member

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/store"
)

// The leader of the managers is the one whose member leads the database: its
// commits take no detour, no lease has to be kept alive, and when it dies the
// database elects a new one anyway. These methods tell store/etcd.

// Leading says whether this member leads the database, and returns a channel
// that is closed when another than the present one is elected.
func (m *Member) Leading() (bool, <-chan struct{}) {
	changed := m.etcd.Server.LeaderChangedNotify()
	return m.etcd.Server.Leader() == m.etcd.Server.MemberID(), changed
}

// Incarnation is random and new at every Start: what an earlier process of the
// same member left behind can be told by it.
func (m *Member) Incarnation() string { return m.incarnation }

// yieldTry is how long a member may take to lead. Raft takes no writes for the first of
// its elections' times, and goes on as before when it has not heard of another by then.
const yieldTry = 2 * time.Second

// Yield lets another member lead the database, if there is one. It asks them in turn,
// first those that are connected: etcd's own way asks one, which may be away, for 6 s.
func (m *Member) Yield() error {
	var others []store.Member
	for _, each := range m.Known() {
		if each.ID != m.Self() && !each.Learner {
			others = append(others, each)
		}
	}
	slices.SortStableFunc(others, func(a, b store.Member) int { return m.port.connections(b.Name) - m.port.connections(a.Name) })
	var err error
	for _, each := range others {
		if leading, _ := m.Leading(); !leading || m.ended() {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), yieldTry)
		err = m.etcd.Server.MoveLeader(ctx, m.Self(), each.ID)
		cancel()
		if err == nil {
			return nil
		}
	}
	if leading, _ := m.Leading(); err != nil && leading && !m.ended() {
		return fmt.Errorf("hand over the database's leadership: %w", err)
	}
	return nil
}

// HandOver implements store.Membership.
func (m *Member) HandOver(ctx context.Context, id uint64) error {
	if leading, _ := m.Leading(); !leading {
		return nil
	}
	if err := m.etcd.Server.MoveLeader(ctx, m.Self(), id); err != nil {
		return fmt.Errorf("hand over the database's leadership: %w", err)
	}
	return nil
}

// Writable returns ErrUnavailable when the disk has no room for more, or the data is
// damaged. It is asked before every commit, for the log ends the process when it cannot
// grow.
func (m *Member) Writable() error {
	if wrong := m.Wrong(); wrong != nil && m.damaged.Load() {
		return wrong
	}
	needed := uint64(minFree)
	if m.full.Load() {
		needed = enoughFree
	}
	err := free(m.dir, needed)
	if full := err != nil; m.full.CompareAndSwap(!full, full) {
		if full {
			m.log.Error("this manager takes no writes until there is room", zap.Error(err))
		} else {
			m.log.Info("this manager takes writes again")
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return nil
}

// users, in per cent of the quota, is how much of the database they may fill. The rest
// is for what the cluster writes itself, and for free pages until there is room made of
// them: etcd takes nothing at all at its quota, not even who leads.
const users = 80

// Roomy returns ErrFull when users have filled what is theirs. bytes is what one of
// them is about to add.
func (m *Member) Roomy(bytes int) error {
	backend, quota := m.etcd.Server.Backend(), m.etcd.Server.Cfg.QuotaBackendBytes
	if m.added.Add(int64(bytes)) > quota/20 { // what it says of its size is some time old
		m.added.Store(0)
		backend.ForceCommit()
	}
	limit := quota / 100 * users
	switch {
	case backend.SizeInUse() > limit:
		return fmt.Errorf("%w: more than %d MB are taken", store.ErrFull, limit>>20)
	case backend.Size() > quota/10*9:
		return fmt.Errorf("%w: it is making room", store.ErrUnavailable) // see upkeep
	}
	return nil
}

// Applied is the number of entries of the database's log so far. It stands still
// while nobody writes.
func (m *Member) Applied() uint64 { return m.etcd.Server.AppliedIndex() }

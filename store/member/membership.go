package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.uber.org/zap"

	"github.com/orc-project/orc/store"
)

var _ store.Membership = (*Member)(nil)

// Exists says whether the directory holds a member's data: one that resumes, and
// need not be added to a cluster. One that ended while it entered a cluster cannot: it may
// know nobody yet, and the others may have given it up meanwhile.
func Exists(dir string) bool {
	if _, err := os.Lstat(enteringFile(dir)); err == nil {
		return false
	}
	logs, err := os.ReadDir(filepath.Join(dataDir(dir), "member", "wal"))
	return err == nil && len(logs) > 0
}

// Self implements store.Membership.
func (m *Member) Self() uint64 { return uint64(m.etcd.Server.MemberID()) }

// Leader implements store.Membership.
func (m *Member) Leader() uint64 { return uint64(m.etcd.Server.Leader()) }

// Members implements store.Membership.
func (m *Member) Members(ctx context.Context) ([]store.Member, error) {
	response, err := m.client.MemberList(ctx)
	if err != nil {
		return nil, m.unavailable("list the managers' databases", err)
	}
	var members []store.Member
	for _, each := range response.Members {
		members = append(members, store.Member{ID: each.ID, Name: each.Name, Address: addressOf(each.PeerURLs), Learner: each.IsLearner})
	}
	return sorted(members), nil
}

// Known implements store.Membership.
func (m *Member) Known() []store.Member {
	var members []store.Member
	for _, each := range m.etcd.Server.Cluster().Members() {
		members = append(members, store.Member{
			ID: uint64(each.ID), Name: each.Name, Address: addressOf(each.PeerURLs), Learner: each.IsLearner,
		})
	}
	return sorted(members)
}

// left implements membership.
func (m *Member) left(id string) bool {
	member, err := types.IDFromString(id)
	return err == nil && m.etcd.Server.IsIDRemoved(uint64(member))
}

// AddLearner implements store.Membership.
func (m *Member) AddLearner(ctx context.Context, address string) (store.Member, error) {
	to := peerURL(address)
	ctx, cancel := context.WithTimeout(ctx, lastTry) // once: told twice, it might be there twice
	defer cancel()
	response, err := m.client.MemberAddAsLearner(ctx, []string{to.String()})
	if err != nil {
		return store.Member{}, m.unavailable("add a manager's database", err)
	}
	return store.Member{ID: response.Member.ID, Address: address, Learner: true}, nil
}

// Promote implements store.Membership.
func (m *Member) Promote(ctx context.Context, id uint64) error {
	err := m.insist(ctx, func(ctx context.Context) error {
		_, err := m.client.MemberPromote(ctx, id)
		return err
	})
	switch {
	case errors.Is(err, rpctypes.ErrMemberLearnerNotReady):
		return store.ErrBehind
	case err != nil && !errors.Is(err, rpctypes.ErrMemberNotLearner):
		return m.unavailable("make a manager's database a voter", err)
	}
	return nil
}

// Remove implements store.Membership.
func (m *Member) Remove(ctx context.Context, id uint64) error {
	err := m.insist(ctx, func(ctx context.Context) error {
		if m.etcd.Server.IsIDRemoved(id) {
			return nil // by another
		}
		_, err := m.client.MemberRemove(ctx, id)
		return err
	})
	if err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
		return m.unavailable("remove a manager's database", err)
	}
	return nil
}

// changeTry is how long the others are waited for until they are told of a change again,
// at first; the time doubles up to lastTry. etcd drops one without a word when another is
// not acted on yet, or when the leader goes meanwhile.
const changeTry, lastTry = time.Second / 2, 4 * time.Second

// insist makes a change that may be made twice, until the others have answered or ctx
// ends.
func (m *Member) insist(ctx context.Context, change func(context.Context) error) error {
	for wait := changeTry; ; wait = min(2*wait, lastTry) {
		trying, cancel := context.WithTimeout(ctx, wait)
		err := change(trying)
		late := trying.Err() != nil && ctx.Err() == nil && !m.removed.Load()
		cancel()
		if err == nil || !late {
			return err
		}
	}
}

// relocate tells the others where this member is reached now, until they know or ctx
// ends. Until then, it is the one that dials.
func (m *Member) relocate(ctx context.Context, address string) error {
	to := peerURL(address)
	for _, each := range m.Known() {
		if each.ID != m.Self() || each.Address == address {
			continue
		}
		err := m.insist(ctx, func(ctx context.Context) error {
			_, err := m.client.MemberUpdate(ctx, each.ID, []string{to.String()})
			return err
		})
		if err != nil {
			return m.unavailable("tell the other managers this one's address", err)
		}
		m.log.Info("told the other managers the new address", zap.String("from", each.Address), zap.String("to", address))
	}
	return nil
}

func (m *Member) unavailable(doing string, err error) error {
	if m.removed.Load() {
		return fmt.Errorf("%s: %w", doing, store.ErrRemoved)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, store.ErrUnavailable, err)
}

// addressOf is the host:port of a member's URL: orc's have one each.
func addressOf(urls []string) string {
	for _, each := range urls {
		if parsed, err := url.Parse(each); err == nil {
			return parsed.Host
		}
	}
	return ""
}

func sorted(members []store.Member) []store.Member {
	slices.SortFunc(members, func(a, b store.Member) int { return cmp.Compare(a.ID, b.ID) })
	return members
}

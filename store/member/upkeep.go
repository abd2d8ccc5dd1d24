package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/orc-project/orc/store"
)

// etcd forgets history every five minutes, never gives space back to the disk, and
// takes no changes once its file has reached the quota, until a person has done
// something about it. Between those minutes a busy cluster could get there with
// little in use, so the member looks after itself:
//
//	half of the quota in use ──▶ history is forgotten at once (the leader)
//	file near the quota, with free pages in it ──▶ defragmented, when it is its turn
//	alarm ──▶ both at once, and the alarm is ended if that gave room
const upkeepTick = 2 * time.Second

// upkeep works until ctx ends.
func (m *Member) upkeep(ctx context.Context) {
	ticker := time.NewTicker(upkeepTick)
	defer ticker.Stop()
	u := &keeper{Member: m}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := u.step(ctx)
		if err != nil && ctx.Err() == nil {
			m.log.Error("the database's upkeep failed", zap.Error(err))
		}
	}
}

// keeper is what upkeep remembers.
type keeper struct {
	*Member
	compacted int64 // revision
	full      bool  // was told
	corrupt   bool  // was told
}

// step does what is due.
func (k *keeper) step(ctx context.Context) error {
	backend, quota := k.etcd.Server.Backend(), k.etcd.Server.Cfg.QuotaBackendBytes
	k.compare(ctx, time.Now())
	alarm := k.alarms(etcdserverpb.AlarmType_NOSPACE) > 0
	if corrupt := k.alarms(etcdserverpb.AlarmType_CORRUPT) > 0; corrupt != k.corrupt {
		k.corrupt = corrupt
		k.log.Error("the database's alarm: data is damaged on one of the managers, and none takes or shows any", zap.Bool("alarm", corrupt))
	}
	if alarm || backend.SizeInUse() > quota/2 {
		if err := k.forget(ctx); err != nil {
			return err
		}
	}
	if free := backend.Size() - backend.SizeInUse(); free > quota/10 && (alarm || backend.Size() > quota/5*4) {
		if err := k.makeRoom(alarm); err != nil {
			return err
		}
	}
	if !alarm {
		k.full = false
		return nil
	}
	return k.relieve(ctx)
}

// alarms counts those of a kind.
func (k *keeper) alarms(kind etcdserverpb.AlarmType) int {
	count := 0
	for _, each := range k.etcd.Server.Alarms() {
		if each.Alarm == kind {
			count++
		}
	}
	return count
}

// forget gives up the history, if there is new one. The leader does it for all.
func (k *keeper) forget(ctx context.Context) error {
	revision := k.etcd.Server.KV().Rev()
	if leads, _ := k.Leading(); !leads || revision == k.compacted {
		return nil
	}
	k.compacted = revision
	return k.Forget(ctx)
}

// Forget gives up the history before the present revision, on all members. Whoever
// watches from an older one lists again.
func (m *Member) Forget(ctx context.Context) error {
	_, err := m.client.Compact(ctx, m.etcd.Server.KV().Rev(), clientv3.WithCompactPhysical())
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("forget the database's history: %w", err)
	}
	return nil
}

// makeRoom defragments the file when it is this member's turn, and not while it leads:
// all would wait for it. Under an alarm nothing can be written anyway.
func (k *keeper) makeRoom(alarm bool) error {
	members := k.Known()
	if !alarm && !turn(k.Self(), members, time.Now()) {
		return nil
	}
	if leads, _ := k.Leading(); !alarm && leads && voters(members) > 1 {
		if err := k.Yield(); err != nil {
			return err
		}
		if leads, _ = k.Leading(); leads {
			return nil // it was elected again
		}
	}
	return k.defragment()
}

func voters(members []store.Member) int {
	count := 0
	for _, each := range members {
		if !each.Learner {
			count++
		}
	}
	return count
}

// defragment writes the file anew without its free pages. Reads and writes of this
// member wait meanwhile: about a second for a gigabyte.
func (k *keeper) defragment() error {
	before, began := k.etcd.Server.Backend().Size(), time.Now()
	if err := k.etcd.Server.Backend().Defrag(); err != nil {
		return fmt.Errorf("make room in the database: %w", err)
	}
	k.log.Info("made room in the database", zap.Int64("before", before), zap.Int64("after", k.etcd.Server.Backend().Size()), zap.Duration("took", time.Since(began)))
	return nil
}

// relieve ends the alarm that a full database leaves, if there is room again.
func (k *keeper) relieve(ctx context.Context) error {
	size, quota := k.etcd.Server.Backend().Size(), k.etcd.Server.Cfg.QuotaBackendBytes
	if size >= quota/20*19 {
		if !k.full {
			k.log.Error("the database is full and takes no changes: remove what is not needed", zap.Int64("size", size), zap.Int64("quota", quota))
		}
		k.full = true
		return nil
	}
	for _, each := range k.etcd.Server.Alarms() {
		if each.Alarm != etcdserverpb.AlarmType_NOSPACE {
			continue // that data is damaged, room does not mend
		}
		if _, err := k.client.AlarmDisarm(ctx, (*clientv3.AlarmMember)(each)); err != nil {
			return fmt.Errorf("end the database's alarm: %w", err)
		}
	}
	k.log.Info("the database takes changes again", zap.Int64("size", size), zap.Int64("quota", quota))
	return nil
}

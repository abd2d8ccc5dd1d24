package etcd

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// resealCount is how many values are sealed anew in one transaction, and
// resealBytes how much they may be together, about.
const (
	resealCount = 256
	resealBytes = 1 << 20
)

// Reseal seals anew what another key sealed than would now, until there is nothing
// left of that. Objects stay the same but for their versions. When this store
// leads, its term ends, for the election's key is among them: it is to campaign
// again. Call it when no process seals with an older key any more.
func (s *Store) Reseal(ctx context.Context) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for {
		left, err := s.resealOnce(ctx)
		if err != nil || left == 0 {
			return err
		}
	}
}

// resealOnce goes through the database once, and returns how many values it met
// that were stale.
func (s *Store) resealOnce(ctx context.Context) (int, error) {
	met := 0
	from, end := s.Prefix, clientv3.GetPrefixRangeEnd(s.Prefix)
	for {
		page, err := s.Client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(listPage))
		if err != nil {
			return met, explain(ctx, "seal anew", err)
		}
		var stale []*mvccpb.KeyValue
		for _, kv := range page.Kvs {
			if s.Sealer.Stale(kv.Value) {
				stale = append(stale, kv)
			}
		}
		met += len(stale)
		if err := s.resealAll(ctx, stale); err != nil {
			return met, err
		}
		if !page.More || len(page.Kvs) == 0 {
			return met, nil
		}
		from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
	}
}

func (s *Store) resealAll(ctx context.Context, stale []*mvccpb.KeyValue) error {
	for len(stale) > 0 {
		n, bytes := 0, 0
		for n < len(stale) && n < resealCount && bytes < resealBytes {
			bytes += len(stale[n].Value)
			n++
		}
		if err := s.resealBatch(ctx, stale[:n]); err != nil {
			return err
		}
		stale = stale[n:]
	}
	return nil
}

// resealBatch writes values that did not change meanwhile; those that did were
// sealed anew by who changed them, or are met again.
func (s *Store) resealBatch(ctx context.Context, stale []*mvccpb.KeyValue) error {
	var compares []clientv3.Cmp
	var puts []clientv3.Op
	for _, kv := range stale {
		key := string(kv.Key)
		if key == s.leaderKey() {
			if err := s.abdicate(ctx, kv); err != nil {
				return err
			}
			continue
		}
		value, err := s.Sealer.Open(key, kv.Value)
		if err != nil {
			return fmt.Errorf("seal anew: %w", err)
		}
		compares = append(compares, clientv3.Compare(clientv3.ModRevision(key), "=", kv.ModRevision))
		puts = append(puts, clientv3.OpPut(key, string(s.Sealer.Seal(key, value))))
	}
	if len(puts) == 0 {
		return nil
	}
	if err := s.Seat.Writable(); err != nil {
		return err
	}
	if _, err := s.Client.Txn(ctx).If(compares...).Then(puts...).Commit(); err != nil {
		return explain(ctx, "seal anew", err)
	}
	return nil
}

// abdicate ends the term that the election's key names, whoever's it is: its
// holder, fenced, takes the key again, and seals it anew.
func (s *Store) abdicate(ctx context.Context, kv *mvccpb.KeyValue) error {
	key := string(kv.Key)
	_, err := s.Client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", kv.ModRevision)).Then(clientv3.OpDelete(key)).Commit()
	if err != nil {
		return explain(ctx, "seal anew", err)
	}
	return nil
}

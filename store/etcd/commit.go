package etcd

import (
	"context"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, tx *store.Tx) (int64, error) {
	return s.commit(ctx, tx, nil)
}

// commit is for by, who must lead, or for anybody when by is nil.
//
// A transaction is worked out on the newest snapshot, which may be older than the
// database. etcd compares what that relied on; when it says no, the transaction is
// worked out again on a snapshot that is at least as new as the refusal. An
// answer of "no" that comes from the snapshot alone is given only after making
// sure that the snapshot is not old.
func (s *Store) commit(ctx context.Context, tx *store.Tx, by *leadership) (int64, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	if by != nil && by.over() {
		return 0, store.ErrFenced
	}
	values, err := tx.Encode()
	if err != nil {
		return 0, err
	}
	if err := s.admit(tx, values); err != nil {
		return 0, err
	}
	sealed := s.seal(tx, values)
	for snapshot := s.feed.Snapshot(); ; {
		resolved, refusal := tx.Resolve(snapshot)
		if refusal == nil {
			revision, won, err := s.try(ctx, resolved, snapshot.Revision(), sealed, by)
			if err != nil || won {
				return revision, err
			}
			if snapshot, err = s.waitFor(ctx, revision); err != nil {
				return 0, err
			}
			continue
		}
		revision, err := s.stands(ctx, by)
		if err != nil {
			return 0, err
		}
		if snapshot.Revision() >= revision {
			return 0, refusal
		}
		if snapshot, err = s.waitFor(ctx, revision); err != nil {
			return 0, err
		}
	}
}

// bulky are the kinds that can fill a database: users write them, as large as they
// like and as many.
var bulky = []api.Kind{api.KindSecret, api.KindConfig, api.KindRevision, api.KindAppRevision}

// markSuffix ends the IDs of marks, which have no content (see package server/deploy).
var markSuffix = api.RevisionID("", 0)

// admit refuses what there is no room for, with ErrUnwritten.
func (s *Store) admit(tx *store.Tx, values store.Encoded) error {
	if err := s.roomy(tx, values); err != nil {
		return unwritten{err}
	}
	return nil
}

func (s *Store) roomy(tx *store.Tx, values store.Encoded) error {
	if err := s.Seat.Writable(); err != nil {
		return err
	}
	bytes := 0
	for i, op := range tx.Ops() {
		if slices.Contains(bulky, op.Kind) && !strings.HasSuffix(op.ID, markSuffix) {
			bytes += len(values[i])
		}
	}
	if bytes == 0 {
		return nil
	}
	return s.Seat.Roomy(bytes)
}

// write is a value and where it goes.
type write struct {
	key   string
	value string
}

// seal encrypts the values once; a transaction that is tried again keeps them.
func (s *Store) seal(tx *store.Tx, values store.Encoded) []write {
	writes := make([]write, len(values))
	for i, op := range tx.Ops() {
		writes[i].key = s.objectKey(op.Kind, op.ID)
		if op.Verb == store.Put {
			writes[i].value = string(s.Sealer.Seal(writes[i].key, values[i]))
		}
	}
	return writes
}

// try sends the transaction as it is on a snapshot of revision base, again when its
// leader was replaced meanwhile and it was not written. It returns its revision, or that
// of the refusal.
func (s *Store) try(ctx context.Context, resolved store.Resolved, base int64, writes []write, by *leadership) (int64, bool, error) {
	var compares []clientv3.Cmp
	var ops []clientv3.Op
	if by != nil {
		compares = append(compares, by.holds())
	}
	for i, op := range resolved.Ops {
		key := writes[i].key
		if op.Version != store.Any {
			compares = append(compares, clientv3.Compare(clientv3.ModRevision(key), "=", op.Version))
		}
		switch op.Verb {
		case store.Put:
			ops = append(ops, clientv3.OpPut(key, writes[i].value))
		case store.Delete:
			ops = append(ops, clientv3.OpDelete(key))
		case store.Require:
		}
	}
	for _, name := range resolved.Names {
		key := s.nameKey(name.Kind, name.Name)
		if name.From == "" { // else the owner's version, which is compared, tells
			compares = append(compares, clientv3.Compare(clientv3.ModRevision(key), "=", 0))
		}
		if name.To == "" {
			ops = append(ops, clientv3.OpDelete(key))
		} else {
			ops = append(ops, clientv3.OpPut(key, string(s.Sealer.Seal(key, []byte(name.To)))))
		}
	}
	otherwise := []clientv3.Op{clientv3.OpGet(s.leaderKey(), clientv3.WithKeysOnly())}
	probe, found := probeOf(writes)
	if found {
		s.probes.add(&probe)
		defer s.probes.remove(&probe)
	}
	for {
		fence := s.fenceKey()
		response, err := s.propose(ctx, attemptTime, append(slices.Clip(compares), s.free(fence, base)...), ops, otherwise)
		switch {
		case open(err) && len(ops) == 0:
			continue // to compare twice is to compare
		case open(err) && found:
			if revision, err := s.fate(ctx, fence, &probe); revision != 0 || err != nil {
				return revision, err == nil, err
			}
			continue
		case err != nil:
			return 0, false, explain(ctx, "commit", err)
		}
		if !response.Succeeded && by != nil && !by.among(response.Responses[0].GetResponseRange().Kvs) {
			return 0, false, by.fenced()
		}
		return response.Header.Revision, response.Succeeded, nil
	}
}

// probeOf is a write by which a transaction is known again: no other has the same
// sealed value. There is none if all that is written is removals.
func probeOf(writes []write) (probe, bool) {
	for _, each := range writes {
		if each.value != "" {
			return probe{write: each}, true
		}
	}
	return probe{}, false
}

// stands returns the database's newest revision, or ErrFenced if by has lost.
func (s *Store) stands(ctx context.Context, by *leadership) (int64, error) {
	response, err := s.read(ctx, s.leaderKey(), clientv3.WithKeysOnly())
	if err != nil {
		return 0, explain(ctx, "commit", err)
	}
	if by != nil && !by.among(response.Kvs) {
		return 0, by.fenced()
	}
	return response.Header.Revision, nil
}

// waitFor is WaitFor, with the store's error when the store is closed.
func (s *Store) waitFor(ctx context.Context, revision int64) (*store.Snapshot, error) {
	snapshot, err := s.feed.WaitFor(ctx, revision)
	if err != nil && ended(ctx) != nil {
		return nil, ended(ctx)
	}
	return snapshot, err
}

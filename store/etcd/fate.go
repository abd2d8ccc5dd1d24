package etcd

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

// A transaction whose leader was replaced may have been written, may be on its way to
// the next leader still, or may be lost. To send it again is safe only when it is known
// that it was not written and never will be, for others may have written over it or
// removed it meanwhile, on the word of those who saw it.
//
// So each attempt is made on condition that a key of its own is not there: its fence.
// To put that key is to end the attempt. What was written before, all that follow the
// database have seen when they have seen the fence.
//
// Fences do not stand for ever, and some member may hold an attempt for longer. So an
// attempt is also made on condition that no fence was removed since the revision that it
// begins from.

const (
	// fenceTime is how long a fence stands at least.
	fenceTime = 10 * time.Minute
	// fateTime is how long an answer is tried for. It begins attemptTime after the
	// attempt.
	fateTime = 6 * time.Second
	// maxSweep bounds one transaction's operations.
	maxSweep = 1000
)

// free are the conditions of an attempt that begins from a revision: that it has not been
// ended.
func (s *Store) free(fence string, base int64) []clientv3.Cmp {
	return []clientv3.Cmp{
		clientv3.Compare(clientv3.CreateRevision(fence), "=", 0), clientv3.Compare(clientv3.ModRevision(s.sweptKey()), "<", base+1),
	}
}

// fate ends an attempt and returns the revision at which it was written, 0 if it was
// not.
func (s *Store) fate(ctx context.Context, fence string, p *probe) (int64, error) {
	limited, cancel := context.WithTimeout(ctx, fateTime)
	defer cancel()
	put := []clientv3.Op{clientv3.OpPut(fence, string(s.Sealer.Seal(fence, nil)))}
	var response *clientv3.TxnResponse
	err := errLate
	for open(err) && limited.Err() == nil { // to put it twice is to put it
		response, err = s.propose(limited, attemptTime, nil, put, nil)
	}
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return 0, fmt.Errorf("commit: %w: no quorum: most managers do not answer", store.ErrUnavailable)
	}
	if err != nil {
		return 0, explain(ctx, "commit", err)
	}
	if _, err := s.waitFor(ctx, response.Header.Revision); err != nil {
		return 0, err
	}
	revision, known := s.probes.of(p)
	if !known {
		return 0, fmt.Errorf("commit: %w: the managers have elected a new leader, and whether it was written is forgotten", store.ErrUnavailable)
	}
	return revision, nil
}

// sweep removes fences whose time is over, whoever put them, until the store ends.
func (s *Store) sweep() {
	for last := int64(0); sleep.For(s.life, fenceTime) == nil; {
		last = s.sweepOnce(last)
	}
}

// sweepOnce removes the fences that there were at a revision, and returns the present
// one. What fails is for the next time.
func (s *Store) sweepOnce(last int64) int64 {
	found, err := s.Client.Get(s.life, s.Prefix+fencePart, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithSerializable())
	if err != nil {
		return last
	}
	key := s.sweptKey()
	sweep := []clientv3.Op{clientv3.OpPut(key, string(s.Sealer.Seal(key, nil)))}
	for _, kv := range found.Kvs {
		if kv.CreateRevision <= last && len(sweep) < maxSweep {
			sweep = append(sweep, clientv3.OpDelete(string(kv.Key)))
		}
	}
	if len(sweep) > 1 {
		_, _ = s.Client.Txn(s.life).Then(sweep...).Commit()
	}
	return found.Header.Revision
}

// probe is a write by which a transaction is known when it is seen.
type probe struct {
	write
	revision int64 // at which it was seen
	missed   bool  // not everything was seen since the probe was added
}

// probes are those of the transactions that are on their way.
type probes struct {
	mu  sync.Mutex
	all map[string][]*probe // by key
}

func (p *probes) add(one *probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[string][]*probe)
	}
	p.all[one.key] = append(p.all[one.key], one)
}

func (p *probes) remove(one *probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var others []*probe
	for _, each := range p.all[one.key] {
		if each != one {
			others = append(others, each)
		}
	}
	if p.all[one.key] = others; others == nil {
		delete(p.all, one.key)
	}
}

// saw notes what was written.
func (p *probes) saw(kv *mvccpb.KeyValue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range p.all[string(kv.Key)] {
		if each.value == string(kv.Value) {
			each.revision = kv.ModRevision
		}
	}
}

// forgot notes that changes were missed.
func (p *probes) forgot() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, same := range p.all {
		for _, each := range same {
			each.missed = true
		}
	}
}

// of returns the revision at which a write was seen, 0 for never. known is false when it
// may have been missed.
func (p *probes) of(one *probe) (revision int64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return one.revision, one.revision != 0 || !one.missed
}

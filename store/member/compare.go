package member

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.uber.org/zap"

	"github.com/orc-project/orc/store"
)

// All members have the same data, but none reads another's: what a disk or a fault
// changes in one of them goes unnoticed. At each compaction, which is at the same
// revision for all, a member makes a hash of what it goes through anyway. The others'
// are asked for then and compared:
//
//	most have one that is not this member's ──▶ this one is damaged, and takes no writes
//	no hash is that of most ──▶ it is said; nobody knows who is right
//
// etcd's own checks are off. That of the compactions raises an alarm which ends all
// reading and writing on all members for good, those that are well too, and that a
// person can only end who has etcd's tools. That of the start reads the whole database
// on every member, and waits for those that are away, one after the other.

// compareEvery is the least time between two comparisons. Who was away or slow is
// asked again after that. Tests have a shorter time.
var compareEvery = time.Minute

// hashes are what is known of the others' data at a revision.
type hashes struct {
	of      *embed.Etcd
	client  *http.Client
	asked   time.Time
	checked int64 // the last revision at which all have answered
}

func newHashes(of *embed.Etcd, config *embed.Config) (*hashes, error) {
	transport, err := rafthttp.NewRoundTripper(config.PeerTLSInfo, dialTime)
	if err != nil {
		return nil, fmt.Errorf("compare the members' data: %w", err)
	}
	return &hashes{of: of, client: &http.Client{Transport: transport}}, nil
}

const (
	dialTime = 2 * time.Second
	hashTime = 5 * time.Second
)

// due is the newest hash, if it is to be compared now.
func (h *hashes) due(now time.Time) (own mvcc.KeyValueHash, due bool) {
	known := h.of.Server.KV().HashStorage().Hashes()
	if len(known) == 0 || now.Sub(h.asked) < compareEvery {
		return own, false
	}
	own = slices.MaxFunc(known, func(a, b mvcc.KeyValueHash) int { return int(a.Revision - b.Revision) })
	return own, own.Revision > h.checked
}

// ask returns the others' hashes of the same data, of those that have one.
func (h *hashes) ask(ctx context.Context, own mvcc.KeyValueHash, others []store.Member) map[uint64]uint32 {
	ctx, cancel := context.WithTimeout(ctx, hashTime)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	found := make(map[uint64]uint32)
	for _, each := range others {
		asking.Go(func() {
			at := peerURL(each.Address)
			answer, err := etcdserver.HashByRev(ctx, h.of.Server.Cluster().ID(), h.client, at.String(), own.Revision)
			if err != nil || answer.CompactRevision != own.CompactRevision || answer.HashRevision != own.Revision {
				return // it is away, or has not compacted yet, or has begun since
			}
			mu.Lock()
			defer mu.Unlock()
			found[each.ID] = answer.Hash
		})
	}
	asking.Wait()
	return found
}

// verdict is what a member's own hash is worth among the others'.
type verdict int

const (
	unsure   verdict = iota // too few have answered, and those have the same
	same                    // most have it
	outvoted                // most have another one
	divided                 // there are several, and none is that of most
)

// judge weighs a member's hash against those that are known of the others; all is how
// many members there are.
func judge(own uint32, others map[uint64]uint32, all int) verdict {
	count := map[uint32]int{own: 1}
	for _, each := range others {
		count[each]++
	}
	most := all/2 + 1
	for hash, n := range count {
		switch {
		case n < most:
		case hash == own:
			return same
		default:
			return outvoted
		}
	}
	if len(count) > 1 {
		return divided
	}
	return unsure
}

// compare looks whether this member's data is that of the others.
func (k *keeper) compare(ctx context.Context, now time.Time) {
	own, due := k.hashes.due(now)
	if !due {
		return
	}
	k.hashes.asked = now
	members := k.Known()
	others := slices.DeleteFunc(slices.Clone(members), func(m store.Member) bool { return m.ID == k.Self() })
	found := k.hashes.ask(ctx, own, others)
	if len(found) == len(others) {
		k.hashes.checked = own.Revision
	}
	switch judge(own.Hash, found, len(members)) {
	case unsure:
	case same:
		k.damaged.Store(false)
		k.note(nil)
	case outvoted:
		k.note(fmt.Errorf("%w: the data in %s is not that of most other managers: remove this one, empty its data directory and let it join again", store.ErrUnavailable, k.dir))
		k.damaged.Store(true)
	case divided:
		if k.damaged.Load() {
			return // what more of them said before stands
		}
		k.note(fmt.Errorf("the managers' data is not the same, and too few have answered to tell whose is right: see which shows what is true, "+
			"and let the others join it anew, with empty data directories (revision %d)", own.Revision))
	}
}

// note keeps what is wrong with the members' data, and says it once.
func (m *Member) note(wrong error) {
	before := m.wrong.Swap(&wrong)
	if wrong != nil && (before == nil || *before == nil) {
		m.log.Error("the databases are not the same", zap.Error(wrong))
	}
}

// Wrong implements store.Membership.
func (m *Member) Wrong() error {
	if wrong := m.wrong.Load(); wrong != nil {
		return *wrong
	}
	return nil
}

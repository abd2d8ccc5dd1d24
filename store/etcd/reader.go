package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/planted"
	"github.com/orc-project/orc/store"
)

// listPage is how many keys are read at a time.
const listPage = 1000

// Between attempts to follow the database again it takes from retryDelay to
// maxRetryDelay, at most until another leader is elected. They fail while the database
// is away, or a value cannot be opened because its key has not arrived yet.
const (
	retryDelay    = 100 * time.Millisecond
	maxRetryDelay = 5 * time.Second
)

// reader keeps the store's snapshot: it lists everything at one revision, then
// follows the changes from the next one on. When etcd has forgotten those
// already, it lists again and tells the differences.
type reader struct{ *Store }

func (r *reader) run(ctx context.Context) {
	said := ""
	for delay := retryDelay; ; {
		_, elected := r.Seat.Leading()
		before := r.feed.Snapshot()
		err := r.follow(ctx)
		if strange := (unreadable{}); errors.Is(err, rpctypes.ErrCompacted) || errors.As(err, &strange) {
			err = r.relist(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if r.feed.Snapshot() != before { // it went well for a while
			delay, said = retryDelay, ""
		}
		if err == nil {
			continue
		}
		r.lapse.begin(time.Now())
		if said != err.Error() {
			said = err.Error()
			r.Logger.Error("cannot follow the database; trying again", zap.Error(err))
		}
		select {
		case <-elected: // what was away may be back
			delay = retryDelay
		case <-time.After(delay):
			delay = min(2*delay, maxRetryDelay)
		case <-ctx.Done():
			return
		}
	}
}

// unreadable is the error of a change that cannot be understood. It may be of the
// past, sealed by a key that is dropped since: what there is now tells.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

// list reads everything there is, all at the revision of the first page.
func (r *reader) list(ctx context.Context) (*store.Snapshot, error) {
	for {
		snapshot, err := r.tryList(ctx)
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return snapshot, err
		}
	}
}

func (r *reader) tryList(ctx context.Context) (*store.Snapshot, error) {
	builder, revision := store.NewBuilder(nil), int64(0)
	var leader *mvccpb.KeyValue
	from, end := r.Prefix, clientv3.GetPrefixRangeEnd(r.Prefix)
	for more := true; more; {
		page, err := r.Store.read(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(listPage), clientv3.WithRev(revision))
		if err != nil {
			return nil, explain(ctx, "list its values", err)
		}
		if revision == 0 {
			revision = page.Header.Revision
		}
		for _, kv := range page.Kvs {
			if string(kv.Key) == r.leaderKey() {
				leader = kv
				continue
			}
			object, err := r.decode(kv)
			if err != nil {
				return nil, err
			}
			if object != nil {
				builder.Put(object)
			}
		}
		if more = page.More && len(page.Kvs) > 0; more {
			from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		}
	}
	if err := r.tellLeader(leader); err != nil {
		return nil, err
	}
	return builder.Snapshot(revision), nil
}

// relist replaces the snapshot by one that was read anew. What did not change
// keeps its place, so that readers see the same objects.
func (r *reader) relist(ctx context.Context) error {
	fresh, err := r.list(ctx)
	if err != nil {
		return err
	}
	r.probes.forgot()
	old := r.feed.Snapshot()
	changes := store.Diff(old, fresh)
	builder := store.NewBuilder(old)
	for _, change := range changes {
		if change.New == nil {
			builder.Delete(change.Kind, change.ID)
		} else {
			builder.Put(change.New)
		}
	}
	r.feed.Publish(builder.Snapshot(fresh.Revision()), changes)
	r.lapse.end()
	return nil
}

// follow applies changes until the watch ends or one cannot be understood.
func (r *reader) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := planted.WatchFrom(ctx, r.feed.Snapshot().Revision()+1)
	watch := r.Client.Watch(ctx, r.Prefix, clientv3.WithPrefix(), clientv3.WithRev(next), clientv3.WithCreatedNotify())
	for response := range watch {
		if err := response.Err(); err != nil {
			return err
		}
		if response.Created && response.Header.Revision <= r.feed.Snapshot().Revision() {
			r.lapse.end() // there is nothing that it lacks
		}
		if len(response.Events) == 0 {
			continue
		}
		if err := r.apply(response.Events); err != nil {
			return unreadable{err}
		}
	}
	return errors.New("the watch ended")
}

// apply makes one new snapshot of a batch of events. A batch holds all events of
// each of its revisions.
func (r *reader) apply(events []*clientv3.Event) error {
	builder := store.NewBuilder(r.feed.Snapshot())
	changes := make([]store.Change, 0, len(events))
	at := make(map[objectID]int, len(events))
	revision := int64(0)
	for _, event := range events {
		revision = max(revision, event.Kv.ModRevision)
		if string(event.Kv.Key) == r.leaderKey() {
			kv := event.Kv
			if event.Type == clientv3.EventTypeDelete {
				kv = nil
			}
			if err := r.tellLeader(kv); err != nil {
				return err
			}
			continue
		}
		change, err := r.change(builder, event)
		if err != nil {
			return err
		}
		switch i, seen := at[objectID{change.Kind, change.ID}]; {
		case change.Old == nil && change.New == nil:
		case seen:
			changes[i].New = change.New
		default:
			at[objectID{change.Kind, change.ID}] = len(changes)
			changes = append(changes, change)
		}
	}
	r.feed.Publish(builder.Snapshot(revision), settled(changes))
	r.lapse.end()
	return nil
}

type objectID struct {
	kind api.Kind
	id   string
}

// change applies one event to builder.
func (r *reader) change(builder *store.Builder, event *clientv3.Event) (store.Change, error) {
	kind, id, ok := r.parseObjectKey(string(event.Kv.Key))
	if !ok {
		return store.Change{}, nil // a name
	}
	change := store.Change{Kind: kind, ID: id}
	if event.Type == clientv3.EventTypeDelete {
		change.Old = builder.Delete(kind, id)
		return change, nil
	}
	r.probes.saw(event.Kv)
	object, err := r.decode(event.Kv)
	if err != nil {
		return store.Change{}, err
	}
	change.New, change.Old = object, builder.Put(object)
	return change, nil
}

// settled leaves out what came and went within one batch.
func settled(changes []store.Change) []store.Change {
	kept := changes[:0]
	for _, change := range changes {
		if change.Old != nil || change.New != nil {
			kept = append(kept, change)
		}
	}
	return kept
}

// reported are the kinds that hold what nodes say. One of them that cannot be read does
// not stop the cluster: what there should be of it is told again. Any other would, for
// what a manager cannot read it must not take for gone.
var reported = []api.Kind{api.KindTaskStatus, api.KindNodeStatus, api.KindImage}

// decode opens an object; it returns nil for a key that is no object's.
func (r *reader) decode(kv *mvccpb.KeyValue) (api.Object, error) {
	kind, id, ok := r.parseObjectKey(string(kv.Key))
	if !ok {
		return nil, nil
	}
	value, err := r.Sealer.Open(string(kv.Key), kv.Value)
	if err != nil {
		return nil, err
	}
	object, err := store.Decode(kind, kv.ModRevision, value)
	if err != nil && slices.Contains(reported, kind) {
		r.Logger.Error("what a node has reported cannot be read, and counts as nothing until it reports again",
			zap.String("kind", string(kind)), zap.String("id", id), zap.Error(err))
		object, err = api.NewObject(kind), nil
		object.Header().ID, object.Header().Version = id, kv.ModRevision
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	if object.Header().ID != id {
		return nil, fmt.Errorf("decode %s %s: its ID is another", kind, id)
	}
	return object, nil
}

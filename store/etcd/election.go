package etcd

import (
	"encoding/json"
	"fmt"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// holder is the value of the election's key.
//
// The manager leads whose member leads etcd. No lease is involved: nothing has
// to be written or awaited while all is well, and nothing left over by a dead
// leader holds up the next one. A candidate takes the key when its member leads
// and the key is free, or its holder cannot be a leader any more: it is on
// another member, in an earlier run of this one, or in this store, whose own
// term is over.
type holder struct {
	ID          string `json:"id"` // as it campaigned
	Incarnation string `json:"incarnation"`
	Process     string `json:"process"`

	revision int64 // of the key: what names the term; 0 if nobody holds it
}

// election is what the watch last told of the key.
type election struct {
	mu      sync.Mutex
	holder  holder
	changed chan struct{} // closed at the next change of the others
	term    *leadership   // this store's, while it lasts
}

// now returns who holds the key, and a channel that is closed when that, or
// whether this store has a term, becomes different.
func (e *election) now() (holder, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.holder, e.changed
}

// wake is for who holds the lock.
func (e *election) wake() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// tellLeader takes in the election's key, or nil when there is none.
func (s *Store) tellLeader(kv *mvccpb.KeyValue) error {
	var now holder
	if kv != nil {
		var err error
		if now, err = s.decodeHolder(kv); err != nil {
			return err
		}
	}
	s.election.mu.Lock()
	defer s.election.mu.Unlock()
	if s.election.holder.revision != now.revision {
		s.election.holder = now
		s.election.wake()
	}
	return nil
}

func (s *Store) decodeHolder(kv *mvccpb.KeyValue) (holder, error) {
	value, err := s.Sealer.Open(string(kv.Key), kv.Value)
	if err != nil {
		return holder{}, err
	}
	var h holder
	if err := json.Unmarshal(value, &h); err != nil {
		return holder{}, fmt.Errorf("decode who leads: %w", err)
	}
	h.revision = kv.ModRevision
	return h, nil
}

func (s *Store) encodeHolder(id string) (string, error) {
	value, err := json.Marshal(holder{ID: id, Incarnation: s.Seat.Incarnation(), Process: s.process})
	if err != nil {
		return "", fmt.Errorf("encode who leads: %w", err)
	}
	return string(s.Sealer.Seal(s.leaderKey(), value)), nil
}

// vacant says whether a candidate of this store, whose member leads, may take
// over from h.
func (s *Store) vacant(h holder) bool {
	s.election.mu.Lock()
	defer s.election.mu.Unlock()
	if s.election.term != nil {
		return false // one term at a time
	}
	return h.revision == 0 || h.Incarnation != s.Seat.Incarnation() || h.Process == s.process
}

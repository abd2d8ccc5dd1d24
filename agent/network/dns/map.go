package dns

import (
	"hash/maphash"
	"maps"
)

const buckets = 256

var seed = maphash.MakeSeed()

// Map is a map that never changes. With makes the next version of it, which shares
// with it all but the few buckets that differ: one change among 30,000 entries
// copies about a hundred. The zero Map is empty.
type Map[K comparable, V any] struct {
	buckets *[buckets]map[K]V
}

// Get returns the key's value and whether there is one.
func (m Map[K, V]) Get(key K) (V, bool) {
	if m.buckets == nil {
		var none V
		return none, false
	}
	value, found := m.buckets[bucket(key)][key]
	return value, found
}

// With is this map with the entries of set, and without the keys of remove.
func (m Map[K, V]) With(set map[K]V, remove ...K) Map[K, V] {
	next := new([buckets]map[K]V)
	if m.buckets != nil {
		*next = *m.buckets
	}
	var copied [buckets]bool
	own := func(key K) map[K]V {
		at := bucket(key)
		if !copied[at] {
			copied[at] = true
			if next[at] = maps.Clone(next[at]); next[at] == nil {
				next[at] = map[K]V{}
			}
		}
		return next[at]
	}
	for _, key := range remove {
		delete(own(key), key)
	}
	for key, value := range set {
		own(key)[key] = value
	}
	return Map[K, V]{buckets: next}
}

func bucket[K comparable](key K) uint64 { return maphash.Comparable(seed, key) % buckets }

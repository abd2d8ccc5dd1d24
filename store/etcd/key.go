package etcd

import (
	"strings"

	"github.com/orc-project/orc/api"
)

// What is under the prefix.
const (
	objectPart = "object/"
	namePart   = "name/"
	leaderPart = "leader"
	fencePart  = "fence/"
	sweptPart  = "swept"
)

func (s *Store) objectKey(kind api.Kind, id string) string {
	return s.Prefix + objectPart + string(kind) + "/" + id
}

func (s *Store) nameKey(kind api.Kind, name string) string {
	return s.Prefix + namePart + string(kind) + "/" + s.Sealer.Tag(string(kind), name)
}

// fenceKey is one that nobody else has.
func (s *Store) fenceKey() string { return s.Prefix + fencePart + api.NewID() }

// sweptKey is written when fences are removed.
func (s *Store) sweptKey() string { return s.Prefix + sweptPart }

func (s *Store) leaderKey() string { return s.Prefix + leaderPart }

// parseObjectKey says which object is under a key; ok is false if none is.
func (s *Store) parseObjectKey(key string) (kind api.Kind, id string, ok bool) {
	rest, ok := strings.CutPrefix(key, s.Prefix+objectPart)
	if !ok {
		return "", "", false
	}
	first, id, ok := strings.Cut(rest, "/")
	return api.Kind(first), id, ok && id != ""
}

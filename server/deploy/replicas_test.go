package deploy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func TestAServiceThatWasGlobalForAWhileHasItsReplicasAgain(t *testing.T) {
	replicas := func(n int) *int { return &n }
	for name, c := range map[string]struct {
		asked *int
		back  func(d *Draft, service *api.Service, again api.ServiceSpec) error
		want  int
	}{
		"rolled back": {nil, func(d *Draft, service *api.Service, _ api.ServiceSpec) error { return d.RollbackService(service, 0) }, 3},
		"updated": {nil, func(d *Draft, s *api.Service, again api.ServiceSpec) error {
			return d.UpdateService(s, again, 0, false)
		}, 3},
		"updated, with a number": {replicas(5), func(d *Draft, s *api.Service, again api.ServiceSpec) error {
			return d.UpdateService(s, again, 0, false)
		}, 5},
		"updated, to none": {replicas(0), func(d *Draft, s *api.Service, again api.ServiceSpec) error {
			return d.UpdateService(s, again, 0, false)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			wanted := spec("web")
			wanted.Replicas = replicas(3)
			service := create(t, s, wanted)
			current := func(d *Draft) *api.Service { return store.Get[api.Service](d.Snapshot(), service.ID) }
			must(t, s, func(d *Draft) error {
				global := spec("web")
				global.Mode = api.ModeGlobal
				return d.UpdateService(current(d), global, 0, false)
			})
			again := spec("web")
			again.Replicas = c.asked
			must(t, s, func(d *Draft) error { return c.back(d, current(d), again) })
			require.Equal(t, c.want, store.Get[api.Service](s.Snapshot(), service.ID).Replicas)
		})
	}
}

func TestAServiceThatWasAlwaysGlobalHasOneReplicaOrThoseAskedFor(t *testing.T) {
	s := newStore(t)
	global := spec("web")
	global.Mode = api.ModeGlobal
	service := create(t, s, global)
	must(t, s, func(d *Draft) error {
		return d.UpdateService(store.Get[api.Service](d.Snapshot(), service.ID), spec("web"), 0, false)
	})
	require.Equal(t, 1, store.Get[api.Service](s.Snapshot(), service.ID).Replicas)
}

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

func TestARollbackOfAnAppBringsServicesBackWithTheirReplicas(t *testing.T) {
	s := newStore(t)
	deploy := func(services map[string]int) {
		app := api.AppSpec{Name: "shop", Services: map[string]api.ServiceSpec{}}
		for name, replicas := range services {
			service := spec(name)
			service.Replicas = &replicas
			app.Services[name] = service
		}
		require.NoError(t, PrepareApp(func(*api.ServiceSpec, *api.ServiceSpec) error { return nil }, s.Snapshot(), &app))
		must(t, s, func(d *Draft) error {
			_, err := d.Deploy(app, true)
			return err
		})
	}
	deploy(map[string]int{"web": 2, "api": 4})
	deploy(map[string]int{"web": 6})
	must(t, s, func(d *Draft) error {
		_, err := d.RollbackApp(store.First[api.App](d.Snapshot(), store.ByName, "shop"), 0)
		return err
	})
	require.Equal(t, 6, store.First[api.Service](s.Snapshot(), store.ByName, "shop_web").Replicas, "a rollback does not scale")
	require.Equal(t, 4, store.First[api.Service](s.Snapshot(), store.ByName, "shop_api").Replicas)
}

package deploy

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// shelf is a database with one of everything that services refer to, and a service
// that refers to none of it.
func shelf(t *testing.T) *memory.Store {
	s := newStore(t)
	must(t, s, func(d *Draft) error {
		if _, err := d.CreateNetwork(api.NetworkSpec{Name: "front"}); err != nil {
			return err
		}
		if _, err := d.CreateVolume(api.VolumeSpec{Name: "data", Options: map[string]string{"type": "nfs"}}); err != nil {
			return err
		}
		if _, err := d.CreateFile(api.KindSecret, api.FileSpec{Name: "key", Data: []byte("1")}); err != nil {
			return err
		}
		_, err := d.CreateFile(api.KindConfig, api.FileSpec{Name: "conf", Data: []byte("1")})
		return err
	})
	create(t, s, spec("web"))
	return s
}

func must(t *testing.T, s store.Store, decide func(*Draft) error) *store.Snapshot {
	t.Helper()
	_, snapshot, err := Commit(t.Context(), s, decide)
	require.NoError(t, err)
	return snapshot
}

// meanwhile is a database in which somebody else does something, which succeeds,
// between the first draft and its commit.
func meanwhile(t *testing.T, s store.Store, decide func(*Draft) error) *busy {
	return &busy{Store: s, t: t, meddle: func(attempt int) *store.Tx {
		if attempt > 0 {
			return nil
		}
		d := NewDraft(s.Snapshot(), time.Now(), api.NewID)
		require.NoError(t, decide(d))
		return d.Tx()
	}}
}

// uses are the things that a service may refer to, each with how it does and how
// that is removed.
var uses = map[string]struct {
	refer  func(*api.ServiceSpec)
	remove func(*Draft) error
}{
	"network": {
		func(s *api.ServiceSpec) { s.Networks = []api.NetworkAttachment{{Network: "front"}} },
		func(d *Draft) error {
			return d.RemoveNetwork(store.First[api.Network](d.Snapshot(), store.ByName, "front"), "as asked")
		},
	},
	"network without a virtual address": {
		func(s *api.ServiceSpec) {
			s.Networks, s.Endpoint = []api.NetworkAttachment{{Network: "front"}}, api.EndpointDNSRR
		},
		func(d *Draft) error {
			return d.RemoveNetwork(store.First[api.Network](d.Snapshot(), store.ByName, "front"), "as asked")
		},
	},
	"volume": {
		func(s *api.ServiceSpec) {
			s.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}}
		},
		func(d *Draft) error {
			return d.RemoveVolume(store.First[api.Volume](d.Snapshot(), store.ByName, "data"), "as asked")
		},
	},
	"secret": {
		func(s *api.ServiceSpec) { s.Container.Secrets = []api.FileReference{{Source: "key"}} },
		func(d *Draft) error {
			return d.RemoveFile(store.First[api.Secret](d.Snapshot(), store.ByName, "key"), "as asked")
		},
	},
	"config": {
		func(s *api.ServiceSpec) { s.Container.Configs = []api.FileReference{{Source: "conf"}} },
		func(d *Draft) error {
			return d.RemoveFile(store.First[api.Config](d.Snapshot(), store.ByName, "conf"), "as asked")
		},
	},
}

func TestWhatAServiceBeganToUseMeanwhileIsNotRemoved(t *testing.T) {
	for name, use := range uses {
		using := spec("api")
		use.refer(&using)
		for how, begin := range map[string]func(*Draft) error{
			"created": func(d *Draft) error {
				_, err := d.CreateService(using)
				return err
			},
			"updated": func(d *Draft) error {
				changed := using
				changed.Name = "web"
				return d.UpdateService(store.First[api.Service](d.Snapshot(), store.ByName, "web"), changed, 0, false)
			},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				s := shelf(t)
				_, _, err := Commit(t.Context(), meanwhile(t, s, begin), use.remove)
				require.Equal(t, api.CodeConflict, api.CodeOf(err))
				require.ErrorContains(t, err, "is in use by")

				// The same when it was used before.
				must(t, s, func(d *Draft) error {
					for service := range store.All[api.Service](d.Snapshot()) {
						d.RemoveService(service, "as asked")
					}
					return nil
				})
				create(t, s, spec("web"))
				_, _, err = Commit(t.Context(), meanwhile(t, s, begin), use.remove)
				require.ErrorContains(t, err, "is in use by")
			})
		}
	}
}

func TestWhatAServiceWentBackToMeanwhileIsNotRemoved(t *testing.T) {
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			s := shelf(t)
			using := spec("api")
			use.refer(&using)
			create(t, s, using)
			find := func(d *Draft) *api.Service { return store.First[api.Service](d.Snapshot(), store.ByName, "api") }
			must(t, s, func(d *Draft) error { return d.UpdateService(find(d), spec("api"), 0, false) })
			back := func(d *Draft) error { return d.RollbackService(find(d), 1) }
			_, _, err := Commit(t.Context(), meanwhile(t, s, back), use.remove)
			require.ErrorContains(t, err, "is in use by api")
		})
	}
}

func TestAServiceDoesNotGoBackToWhatIsGone(t *testing.T) {
	for _, name := range []string{"network", "network without a virtual address", "secret", "config"} {
		t.Run(name, func(t *testing.T) {
			s := shelf(t)
			using := spec("api")
			uses[name].refer(&using)
			create(t, s, using)
			find := func(d *Draft) *api.Service { return store.First[api.Service](d.Snapshot(), store.ByName, "api") }
			must(t, s, func(d *Draft) error { return d.UpdateService(find(d), spec("api"), 0, false) })
			_, _, err := Commit(t.Context(), meanwhile(t, s, uses[name].remove), func(d *Draft) error { return d.RollbackService(find(d), 1) })
			require.Equal(t, api.CodeConflict, api.CodeOf(err))
			require.ErrorContains(t, err, "service api: its revision 1 uses a ")
			require.ErrorContains(t, err, "that was removed")
		})
	}
}

func TestAServiceThatBeganToUseAFileMeanwhileGetsItsNewContent(t *testing.T) {
	for _, name := range []string{"secret", "config"} {
		t.Run(name, func(t *testing.T) {
			s := shelf(t)
			using := spec("api")
			uses[name].refer(&using)
			update := func(d *Draft) error {
				if name == "config" {
					return d.UpdateFile(store.First[api.Config](d.Snapshot(), store.ByName, "conf"), api.FileUpdate{Data: []byte("2")})
				}
				return d.UpdateFile(store.First[api.Secret](d.Snapshot(), store.ByName, "key"), api.FileUpdate{Data: []byte("2")})
			}
			_, snapshot, err := Commit(t.Context(), meanwhile(t, s, func(d *Draft) error {
				_, err := d.CreateService(using)
				return err
			}), update)
			require.NoError(t, err)
			service := store.First[api.Service](snapshot, store.ByName, "api")
			container := CurrentSpec(snapshot, service).Container
			reference := append(container.Secrets, container.Configs...)[0]
			require.Equal(t, 2, reference.Version, "it was rolled")
			old := api.RevisionID(reference.ID, 1)
			require.True(t, store.Get[api.Secret](snapshot, old) != nil || store.Get[api.Config](snapshot, old) != nil, "its first revision finds what it had")
		})
	}
}

// TestManyMayBeginToUseTheSameAtOnce: more than would succeed by trying alone.
func TestManyMayBeginToUseTheSameAtOnce(t *testing.T) {
	s := shelf(t)
	var group errgroup.Group
	const services = 100
	for i := range services {
		group.Go(func() error {
			wanted := spec("s" + strconv.Itoa(i))
			for _, name := range []string{"network without a virtual address", "volume", "secret", "config"} {
				uses[name].refer(&wanted)
			}
			_, _, err := Commit(t.Context(), s, func(d *Draft) error {
				_, err := d.CreateService(wanted)
				return err
			})
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, services+1, store.Count[api.Service](s.Snapshot()))
}

func TestOfAFileThatIsRemovedNothingStays(t *testing.T) {
	s := shelf(t)
	using := spec("api")
	uses["secret"].refer(&using)
	service := create(t, s, using)
	must(t, s, func(d *Draft) error { d.RemoveService(service, "as asked"); return nil })
	must(t, s, uses["secret"].remove)
	require.Zero(t, store.Count[api.Secret](s.Snapshot()))
}

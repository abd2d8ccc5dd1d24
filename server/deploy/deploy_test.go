package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// busy is a database that others write to before each of the first commits.
type busy struct {
	store.Store
	t       *testing.T
	meddle  func(attempt int) *store.Tx
	attempt int
}

func (b *busy) Commit(ctx context.Context, tx *store.Tx) (int64, error) {
	if theirs := b.meddle(b.attempt); theirs != nil {
		_, err := b.Store.Commit(ctx, theirs)
		require.NoError(b.t, err)
	}
	b.attempt++
	return b.Store.Commit(ctx, tx)
}

func newStore(t *testing.T) *memory.Store {
	s := memory.New()
	t.Cleanup(func() { s.Close() })
	return s
}

func spec(name string) api.ServiceSpec {
	return api.ServiceSpec{Name: name, Container: api.ContainerSpec{Image: "web:1", Digest: "sha256:1"}}
}

func create(t *testing.T, s store.Store, spec api.ServiceSpec) *api.Service {
	t.Helper()
	var service *api.Service
	_, snapshot, err := Commit(t.Context(), s, func(d *Draft) (err error) {
		service, err = d.CreateService(spec)
		return err
	})
	require.NoError(t, err)
	return store.Get[api.Service](snapshot, service.ID)
}

// failing is a database whose commits fail.
type failing struct {
	store.Store
	with error
}

func (f failing) Commit(context.Context, *store.Tx) (int64, error) { return 0, f.with }

func TestARefusalIsToldFromALostAnswer(t *testing.T) {
	s := newStore(t)
	refusal := api.Conflictf("no")
	for name, c := range map[string]struct {
		with, decided error
		unwritten     bool
	}{
		"a draft that is refused":       {nil, refusal, true},
		"a commit that was not sent":    {errors.Join(store.ErrUnavailable, store.ErrUnwritten), nil, true},
		"one that is too large":         {store.ErrTooLarge, nil, true},
		"others who are always quicker": {store.ErrConflict, nil, true},
		"an answer that did not come":   {store.ErrUnavailable, nil, false},
		"a time that ran out":           {context.DeadlineExceeded, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Commit(t.Context(), failing{s, c.with}, func(d *Draft) error {
				if c.decided != nil {
					return c.decided
				}
				_, err := d.CreateFile(api.KindConfig, api.FileSpec{Name: "c"})
				return err
			})
			require.Error(t, err)
			var sure Unwritten
			require.Equal(t, c.unwritten, errors.As(err, &sure), "%v", err)
			var told *api.Error
			require.ErrorAs(t, err, &told)
		})
	}
}

func TestAnIntentSurvivesWhatOthersWriteMeanwhile(t *testing.T) {
	s := newStore(t)
	service := create(t, s, spec("web"))
	b := &busy{Store: s, t: t, meddle: func(attempt int) *store.Tx {
		if attempt > 2 {
			return nil
		}
		tx := &store.Tx{}
		changed := *store.Get[api.Service](s.Snapshot(), service.ID)
		changed.Previous = 100 + attempt
		tx.Update(&changed)
		return tx
	}}
	_, snapshot, err := Commit(t.Context(), b, func(d *Draft) error {
		return d.Scale(store.Get[api.Service](d.Snapshot(), service.ID), 7)
	})
	require.NoError(t, err)
	after := store.Get[api.Service](snapshot, service.ID)
	require.Equal(t, 7, after.Replicas)
	require.Equal(t, 102, after.Previous, "what others wrote is still there")
}

func TestANameThatWasTakenMeanwhileIsSaidInWords(t *testing.T) {
	s := newStore(t)
	b := &busy{Store: s, t: t, meddle: func(attempt int) *store.Tx {
		if attempt > 0 {
			return nil
		}
		d := NewDraft(s.Snapshot(), time.Now(), api.NewID)
		_, err := d.CreateService(spec("web"))
		require.NoError(t, err)
		return d.Tx()
	}}
	_, _, err := Commit(t.Context(), b, func(d *Draft) error {
		_, err := d.CreateService(spec("web"))
		return err
	})
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.ErrorContains(t, err, "a service named web exists already")
}

// TestManyAtOnceGetWhatNobodyElseHas: more than would succeed by trying alone.
func TestManyAtOnceGetWhatNobodyElseHas(t *testing.T) {
	s := newStore(t)
	_, _, err := Commit(t.Context(), s, func(d *Draft) error {
		_, err := d.CreateNetwork(api.NetworkSpec{Name: "front"})
		return err
	})
	require.NoError(t, err)
	var group errgroup.Group
	const services = 100
	for i := range services {
		group.Go(func() error {
			wanted := spec("s" + strconv.Itoa(i))
			wanted.Networks = []api.NetworkAttachment{{Network: "front"}}
			wanted.Ports = []api.Port{{Protocol: "tcp", Target: 80, Mode: "ingress"}}
			_, _, err := Commit(t.Context(), s, func(d *Draft) error {
				_, err := d.CreateService(wanted)
				return err
			})
			return err
		})
	}
	require.NoError(t, group.Wait())
	front := store.First[api.Network](s.Snapshot(), store.ByName, "front")
	addresses, ports := make(map[netip.Addr]bool), make(map[uint16]bool)
	for endpoint := range store.All[api.Endpoint](s.Snapshot()) {
		addresses[endpoint.Virtual[front.ID]], ports[endpoint.Ports[0].Published] = true, true
	}
	require.Len(t, addresses, services)
	require.Len(t, ports, services)
}

func TestAnEndpointIsWrittenAndRemovedWithItsService(t *testing.T) {
	s := newStore(t)
	commit := func(decide func(*Draft) error) {
		t.Helper()
		_, _, err := Commit(t.Context(), s, decide)
		require.NoError(t, err)
	}
	wanted := spec("web")
	wanted.Ports = []api.Port{{Protocol: "tcp", Target: 80, Mode: "ingress"}}
	service := create(t, s, wanted)
	endpoint := func() *api.Endpoint { return store.Get[api.Endpoint](s.Snapshot(), service.ID) }
	require.Equal(t, uint16(api.MinAutomaticPort), endpoint().Ports[0].Published)

	current := func(d *Draft) *api.Service { return store.Get[api.Service](d.Snapshot(), service.ID) }
	before := endpoint()
	commit(func(d *Draft) error { return d.Scale(current(d), 3) })
	require.Same(t, before, endpoint(), "it is not written when nothing about it changes")
	commit(func(d *Draft) error {
		wanted.Ports = nil
		return d.UpdateService(current(d), wanted, 0, false)
	})
	require.Nil(t, endpoint())
	commit(func(d *Draft) error { return d.RollbackService(current(d), 0) })
	require.NotNil(t, endpoint())
	commit(func(d *Draft) error {
		d.RemoveService(current(d), "as asked")
		return nil
	})
	require.Nil(t, endpoint())
}

func TestTheIngressNetworkIsTheClustersOwn(t *testing.T) {
	s := newStore(t)
	ingress := &api.Network{Meta: api.Meta{ID: api.IngressID}, Name: api.IngressID}
	tx := &store.Tx{}
	tx.Set(ingress)
	_, err := s.Commit(t.Context(), tx)
	require.NoError(t, err)
	d := NewDraft(s.Snapshot(), time.Now(), api.NewID)
	require.ErrorContains(t, d.RemoveNetwork(ingress, "as asked"), "it cannot be removed")
	_, err = d.CreateNetwork(api.NetworkSpec{Name: api.IngressID})
	require.ErrorContains(t, err, "choose another")
	wanted := spec("web")
	wanted.Networks = []api.NetworkAttachment{{Network: api.IngressID}}
	_, err = d.CreateService(wanted)
	require.ErrorContains(t, err, "a service is on it by publishing a port")
}

func TestItGivesUpWhenOthersNeverStop(t *testing.T) {
	s := newStore(t)
	service := create(t, s, spec("web"))
	b := &busy{Store: s, t: t, meddle: func(attempt int) *store.Tx {
		tx := &store.Tx{}
		changed := *store.Get[api.Service](s.Snapshot(), service.ID)
		changed.Previous = 100 + attempt
		tx.Update(&changed)
		return tx
	}}
	_, _, err := Commit(t.Context(), b, func(d *Draft) error {
		return d.Scale(store.Get[api.Service](d.Snapshot(), service.ID), 7)
	})
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.Equal(t, tries, b.attempt)
}

func TestADatabaseThatIsAwayIsSaidInWords(t *testing.T) {
	s := newStore(t)
	s.Close()
	_, _, err := Commit(t.Context(), s, func(*Draft) error { return errors.New("never asked") })
	require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
}

func TestADeployFailsWhenWhatItRefersToWentMeanwhile(t *testing.T) {
	s := newStore(t)
	_, snapshot, err := Commit(t.Context(), s, func(d *Draft) error {
		_, err := d.CreateNetwork(api.NetworkSpec{Name: "front"})
		return err
	})
	require.NoError(t, err)
	network := store.First[api.Network](snapshot, store.ByName, "front")
	b := &busy{Store: s, t: t, meddle: func(attempt int) *store.Tx {
		if attempt > 0 {
			return nil
		}
		tx := &store.Tx{}
		tx.Remove(api.KindNetwork, network.ID)
		return tx
	}}
	wanted := spec("web")
	wanted.Networks = []api.NetworkAttachment{{Network: "front"}}
	_, _, err = Commit(t.Context(), b, func(d *Draft) error {
		_, err := d.CreateService(wanted)
		return err
	})
	require.Equal(t, api.CodeNotFound, api.CodeOf(err))
	require.ErrorContains(t, err, "there is no network front")
}

// TestTheSameRequestMakesTheSameDraft: drafting reads no clock, no randomness and
// no order of a map.
func TestTheSameRequestMakesTheSameDraft(t *testing.T) {
	app := api.AppSpec{
		Name: "shop", Services: map[string]api.ServiceSpec{}, Networks: map[string]api.NetworkSpec{}, Volumes: map[string]api.VolumeSpec{},
		Secrets: map[string]api.FileSpec{}, Configs: map[string]api.FileSpec{},
	}
	for n := range 20 {
		key := "k" + strconv.Itoa(n)
		app.Networks[key], app.Volumes[key] = api.NetworkSpec{}, api.VolumeSpec{}
		app.Secrets[key], app.Configs[key] = api.FileSpec{Data: []byte("x")}, api.FileSpec{Data: []byte("x")}
		service := spec(key)
		service.Networks = []api.NetworkAttachment{{Network: key}}
		service.Container.Secrets = []api.FileReference{{Source: key}}
		app.Services[key] = service
	}
	draft := func() string {
		wanted := app
		require.NoError(t, PrepareApp(func(*api.ServiceSpec, *api.ServiceSpec) error { return nil }, store.NewSnapshot(1), &wanted))
		n := 0
		d := NewDraft(store.NewSnapshot(1), time.Unix(1, 0), func() string { n++; return "id" + strconv.Itoa(n) })
		_, err := d.Deploy(wanted, true)
		require.NoError(t, err)
		text := fmt.Sprintln(d.Steps, d.Warnings)
		for _, op := range d.Tx().Ops() {
			text += fmt.Sprintln(op.Verb, op.Kind, op.ID, op.Version)
		}
		return text
	}
	first := draft()
	for range 5 {
		require.Equal(t, first, draft())
	}
}

func TestVolumesWithANameOfTheirOwnAreShared(t *testing.T) {
	s := newStore(t)
	deploy := func(name string, volume api.VolumeSpec) (*Draft, error) {
		app := api.AppSpec{
			Name: name, Services: map[string]api.ServiceSpec{"web": spec("web")}, Volumes: map[string]api.VolumeSpec{"data": volume},
		}
		if err := PrepareApp(func(*api.ServiceSpec, *api.ServiceSpec) error { return nil }, s.Snapshot(), &app); err != nil {
			return nil, err
		}
		d, _, err := Commit(t.Context(), s, func(d *Draft) error {
			_, err := d.Deploy(app, false)
			return err
		})
		return d, err
	}
	_, err := deploy("one", api.VolumeSpec{Name: "common"})
	require.NoError(t, err)
	second, err := deploy("two", api.VolumeSpec{Name: "common"})
	require.NoError(t, err)
	require.Contains(t, second.Warnings, "volume common is not of app two alone: it is shared")
}

func TestChangingTheImageForgetsWhatTheOldOneBrought(t *testing.T) {
	arm := []api.Platform{{OS: "linux", Arch: "arm64"}}
	current := spec("web")
	current.Placement.Platforms = arm
	for name, test := range map[string]struct {
		image, digest string
		want          string
	}{
		"the same image":        {"web:1", "sha256:1", "sha256:1"},
		"another image":         {"web:2", "sha256:1", ""},
		"another, with digest":  {"web:2", "sha256:2", "sha256:2"},
		"the same, asked again": {"web:1", "", ""},
	} {
		wanted := current
		wanted.Container.Image, wanted.Container.Digest = test.image, test.digest
		DropCarried(&wanted, &current)
		require.Equal(t, test.want, wanted.Container.Digest, name)
		require.Equal(t, test.image == "web:2", wanted.Placement.Platforms == nil, name)
	}
}

func TestOldContentIsDroppedWhenNothingRefersToIt(t *testing.T) {
	s := newStore(t)
	var secret *api.Secret
	_, _, err := Commit(t.Context(), s, func(d *Draft) error {
		_, err := d.CreateFile(api.KindSecret, api.FileSpec{Name: "key", Data: []byte("1")})
		return err
	})
	require.NoError(t, err)
	update := func(content string) {
		_, snapshot, err := Commit(t.Context(), s, func(d *Draft) error {
			return d.UpdateFile(store.First[api.Secret](d.Snapshot(), store.ByName, "key"), api.FileUpdate{Data: []byte(content)})
		})
		require.NoError(t, err)
		secret = store.First[api.Secret](snapshot, store.ByName, "key")
	}
	update("2")
	require.Equal(t, 1, store.Count[api.Secret](s.Snapshot()), "nobody used the first")
	wanted := spec("web")
	wanted.Container.Secrets = []api.FileReference{{Source: "key"}}
	service := create(t, s, wanted)
	update("3")
	require.NotNil(t, store.Get[api.Secret](s.Snapshot(), api.RevisionID(secret.ID, 2)), "the first revision refers to the second")
	require.Equal(t, 3, secret.Current)
	tx := &store.Tx{}
	tx.Remove(api.KindRevision, api.RevisionID(service.ID, 1))
	_, err = s.Commit(t.Context(), tx)
	require.NoError(t, err)
	update("4")
	require.Nil(t, store.Get[api.Secret](s.Snapshot(), api.RevisionID(secret.ID, 2)), "nothing refers to it any more")
}

func TestAMountHasTheOptionsThatItsVolumeWasDeclaredWith(t *testing.T) {
	s := newStore(t)
	options := map[string]string{"type": "nfs", "device": ":/srv", "o": "addr=10.0.0.9"}
	_, _, err := Commit(t.Context(), s, func(d *Draft) error {
		_, err := d.CreateVolume(api.VolumeSpec{Name: "shared", Options: options})
		return err
	})
	require.NoError(t, err)
	mounting := spec("web")
	mounting.Container.Mounts = []api.Mount{
		{Type: api.MountVolume, Source: "shared", Target: "/a"},
		{Type: api.MountVolume, Source: "local", Target: "/b"},
		{Type: api.MountVolume, Source: "shared", Target: "/c", Options: map[string]string{"type": "tmpfs"}},
	}
	service := create(t, s, mounting)
	mounts := CurrentSpec(s.Snapshot(), service).Container.Mounts
	require.Equal(t, options, mounts[0].Options)
	require.Empty(t, mounts[1].Options)
	require.Equal(t, "tmpfs", mounts[2].Options["type"], "what the mount says itself counts")
	require.Empty(t, mounting.Container.Mounts[0].Options, "the user's spec is the user's")
}

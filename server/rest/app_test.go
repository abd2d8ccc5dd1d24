package rest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/store"
)

func shop() api.AppSpec {
	two := 2
	return api.AppSpec{
		Name: "shop",
		Services: map[string]api.ServiceSpec{
			"web": {
				Replicas: &two,
				Container: api.ContainerSpec{
					Image: "web:1", Env: []string{"A=1"},
					Secrets: []api.FileReference{{Source: "key"}}, Configs: []api.FileReference{{Source: "conf"}},
					Mounts: []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}},
				},
				Networks:  []api.NetworkAttachment{{Network: "default"}},
				DependsOn: []api.Dependency{{Service: "db", Condition: api.DependencyStarted}},
			},
			"db": {Container: api.ContainerSpec{Image: "web:2"}},
		},
		Networks: map[string]api.NetworkSpec{"default": {}},
		Volumes:  map[string]api.VolumeSpec{"data": {}},
		Secrets:  map[string]api.FileSpec{"key": {Data: []byte("s3cret")}},
		Configs:  map[string]api.FileSpec{"conf": {Data: []byte("a=b")}},
	}
}

func (m *manager) deploy(spec api.AppSpec) api.Deployment {
	m.t.Helper()
	deployment, err := m.client.Deploy(m.ctx, api.AppDeploy{Spec: spec})
	require.NoError(m.t, err)
	return deployment
}

func actions(deployment api.Deployment) map[string]string {
	all := make(map[string]string)
	for _, step := range deployment.Steps {
		all[string(step.Object)+" "+step.Name] = step.Action
	}
	return all
}

func TestADeployMakesAllAndTheSameFileChangesNothing(t *testing.T) {
	m := newManager(t)
	dry, err := m.client.Deploy(m.ctx, api.AppDeploy{Spec: shop(), DryRun: true})
	require.NoError(t, err)
	apps, err := m.client.Apps(m.ctx)
	require.NoError(t, err)
	require.Empty(t, apps, "a dry run does nothing")

	first := m.deploy(shop())
	require.True(t, first.Changed)
	require.Equal(t, 1, first.Revision)
	require.Equal(t, actions(dry), actions(first))
	require.Equal(t, map[string]string{
		"network shop_default": "create", "volume shop_data": "create", "secret shop_key": "create", "config shop_conf": "create",
		"service shop_web": "create", "service shop_db": "create",
	}, actions(first))
	require.Len(t, first.Warnings, 1)
	require.Contains(t, first.Warnings[0], "shop_web")

	snapshot := m.store.Snapshot()
	again := m.deploy(shop())
	require.False(t, again.Changed, "%v", again.Steps)
	require.Equal(t, snapshot.Revision(), m.store.Snapshot().Revision(), "nothing was written")

	web, err := m.client.Service(m.ctx, "shop_web")
	require.NoError(t, err)
	require.Equal(t, "shop", web.AppName)
	require.Equal(t, "shop_default", web.Spec.Networks[0].Network)
	require.Equal(t, []string{"web"}, web.Spec.Networks[0].Aliases)
	require.Equal(t, "shop_data", web.Spec.Container.Mounts[0].Source)
	secret := web.Spec.Container.Secrets[0]
	require.Equal(t, "shop_key", secret.Source)
	require.Equal(t, "/run/secrets/key", secret.Target)
	require.Equal(t, 1, secret.Version)
	require.Equal(t, "/conf", web.Spec.Container.Configs[0].Target)
	require.Equal(t, []byte("s3cret"), store.Get[api.Secret](snapshot, secret.ID).Spec.Data)
}

func TestOnlyWhatDiffersChanges(t *testing.T) {
	m := newManager(t)
	m.deploy(shop())
	changed := shop()
	web := changed.Services["web"]
	web.Container.Env = []string{"A=2"}
	changed.Services["web"] = web
	second := m.deploy(changed)
	require.Equal(t, map[string]string{"service shop_web": "update"}, actions(second))
	require.Contains(t, second.Steps[0].Changes[0], "A=2")
	require.Equal(t, 2, second.Revision)
	db, err := m.client.Service(m.ctx, "shop_db")
	require.NoError(t, err)
	require.Equal(t, 1, db.Current)

	back, err := m.client.RollbackApp(m.ctx, "shop", 0)
	require.NoError(t, err)
	require.Equal(t, 1, back.Revision)
	view, err := m.client.Service(m.ctx, "shop_web")
	require.NoError(t, err)
	require.Equal(t, 1, view.Current, "it went back to the revision that it had")
	require.Equal(t, []string{"A=1"}, view.Spec.Container.Env)
	_, err = m.client.RollbackApp(m.ctx, "shop", 0)
	requireCode(t, api.CodeInvalid, err, "no earlier revision")

	third := m.deploy(changed)
	require.Equal(t, 3, third.Revision)
	revisions, err := m.client.AppRevisions(m.ctx, "shop")
	require.NoError(t, err)
	require.Len(t, revisions, 3)
	require.Empty(t, revisions[0].App.Secrets["key"].Data, "a secret's content is not shown")
}

func TestANewSecretRollsItsUsersAndTheOldContentStaysForTheOldRevision(t *testing.T) {
	m := newManager(t)
	m.deploy(shop())
	changed := shop()
	changed.Secrets["key"] = api.FileSpec{Data: []byte("n3w")}
	second := m.deploy(changed)
	require.Equal(t, map[string]string{"secret shop_key": "update", "service shop_web": "update"}, actions(second))
	require.Equal(t, []string{"data: changed"}, second.Steps[0].Changes)

	secret, err := m.client.Secret(m.ctx, "shop_key")
	require.NoError(t, err)
	require.Equal(t, 2, secret.Current)
	require.Empty(t, secret.Spec.Data)
	all, err := m.client.Secrets(m.ctx)
	require.NoError(t, err)
	require.Len(t, all, 1, "old versions are not listed")
	old := store.Get[api.Secret](m.store.Snapshot(), api.RevisionID(secret.ID, 1))
	require.NotNil(t, old)
	require.Equal(t, []byte("s3cret"), old.Spec.Data)

	_, err = m.client.UpdateSecret(m.ctx, "shop_key", api.FileUpdate{Data: []byte("third")})
	require.NoError(t, err)
	web, err := m.client.Service(m.ctx, "shop_web")
	require.NoError(t, err)
	require.Equal(t, 3, web.Current)
	require.Equal(t, 3, web.Spec.Container.Secrets[0].Version)
	err = m.client.RemoveSecret(m.ctx, "shop_key")
	requireCode(t, api.CodeConflict, err, "in use by shop_web")

	back, err := m.client.RollbackService(m.ctx, "shop_web", 1)
	require.NoError(t, err)
	require.Equal(t, 1, back.Service.Spec.Container.Secrets[0].Version)
}

func TestServicesThatLeftTheFileStayUnlessPruned(t *testing.T) {
	m := newManager(t)
	m.deploy(shop())
	less := shop()
	delete(less.Services, "db")
	web := less.Services["web"]
	web.DependsOn, web.Container.Configs = nil, nil
	less.Services["web"] = web
	delete(less.Configs, "conf")
	kept := m.deploy(less)
	require.Equal(t, map[string]string{"service shop_web": "update", "service shop_db": "keep"}, actions(kept))
	pruned, err := m.client.Deploy(m.ctx, api.AppDeploy{Spec: less, Prune: true})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"service shop_db": "remove", "config shop_conf": "remove"}, actions(pruned))
	services, err := m.client.Services(m.ctx, client.ServiceQuery{App: "shop"})
	require.NoError(t, err)
	require.Len(t, services, 1)
}

func TestRemovingAnAppLeavesNothingOfIt(t *testing.T) {
	m := newManager(t)
	m.deploy(shop())
	_, err := m.client.RemoveApp(m.ctx, "shop")
	require.NoError(t, err)
	s := m.store.Snapshot()
	require.Zero(t, store.Count[api.App](s)+store.Count[api.AppRevision](s)+store.Count[api.Service](s)+store.Count[api.Network](s)+
		store.Count[api.Secret](s)+store.Count[api.Config](s)+store.Count[api.Volume](s))
}

func TestADeployIsRefusedWhole(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*api.AppSpec)
		code   api.Code
		words  []string
	}{
		"an image that is not there": {func(s *api.AppSpec) { s.Services["x"] = api.ServiceSpec{Container: api.ContainerSpec{Image: "nope:1"}} }, api.CodeNotFound, []string{"service x", "nope:1"}},
		"an external network":        {func(s *api.AppSpec) { s.Networks["default"] = api.NetworkSpec{External: true, Name: "front"} }, api.CodeNotFound, []string{"front", "external"}},
		"an external volume":         {func(s *api.AppSpec) { s.Volumes["data"] = api.VolumeSpec{External: true} }, api.CodeNotFound, []string{"data", "external"}},
		"an external secret":         {func(s *api.AppSpec) { s.Secrets["key"] = api.FileSpec{External: true} }, api.CodeNotFound, []string{"secret key", "external"}},
		"an undeclared config":       {func(s *api.AppSpec) { delete(s.Configs, "conf") }, api.CodeInvalid, []string{"web", "config conf"}},
		"a service's name taken by another": {func(s *api.AppSpec) {
			s.Services["taken"] = api.ServiceSpec{Container: api.ContainerSpec{Image: "web:1"}}
		}, api.CodeConflict, []string{"shop_taken", "exists already"}},
		"two that wait for each other": {func(s *api.AppSpec) {
			db := s.Services["db"]
			db.DependsOn = []api.Dependency{{Service: "web", Condition: api.DependencyStarted}}
			s.Services["db"] = db
		}, api.CodeInvalid, []string{"db", "web"}},
		"a port taken": {func(s *api.AppSpec) {
			db := s.Services["db"]
			db.Ports = []api.Port{{Target: 80, Published: 8080}}
			s.Services["db"] = db
		}, api.CodeConflict, []string{"8080/tcp", "shop_taken"}},
		"a huge secret": {func(s *api.AppSpec) { s.Secrets["key"] = api.FileSpec{Data: make([]byte, api.MaxSecretSize+1)} }, api.CodeInvalid, []string{"key"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t)
			_, err := m.client.CreateService(m.ctx, api.ServiceCreate{Spec: api.ServiceSpec{
				Name: "shop_taken", Container: api.ContainerSpec{Image: "web:1"}, Ports: []api.Port{{Target: 80, Published: 8080}},
			}})
			require.NoError(t, err)
			before := m.store.Snapshot().Revision()
			spec := shop()
			test.change(&spec)
			_, err = m.client.Deploy(m.ctx, api.AppDeploy{Spec: spec})
			requireCode(t, test.code, err, test.words...)
			require.Equal(t, before, m.store.Snapshot().Revision(), "nothing is half-done")
		})
	}
}

func TestARegistryThatIsAwayDoesNotHinderADeployOfWhatRuns(t *testing.T) {
	m := newManager(t)
	m.deploy(shop())
	away := api.Errorf(api.CodeUnavailable, "the registry does not answer")
	m.images["docker.io/library/web:1"], m.images["docker.io/library/web:2"] = away, away
	again := m.deploy(shop())
	require.False(t, again.Changed)
	require.Contains(t, again.Warnings[0], "does not answer")
	changed := shop()
	changed.Services["new"] = api.ServiceSpec{Container: api.ContainerSpec{Image: "web:1"}}
	_, err := m.client.Deploy(m.ctx, api.AppDeploy{Spec: changed})
	requireCode(t, api.CodeUnavailable, err, "new", "does not answer")
}

func TestOldAppRevisionsAreForgotten(t *testing.T) {
	m := newManager(t)
	spec := shop()
	for n := range api.RevisionHistoryLimit + 3 {
		db := spec.Services["db"]
		db.Labels = map[string]string{"n": string(rune('a' + n))}
		spec.Services["db"] = db
		m.deploy(spec)
	}
	revisions, err := m.client.AppRevisions(m.ctx, "shop")
	require.NoError(t, err)
	require.Len(t, revisions, api.RevisionHistoryLimit)
	require.Equal(t, api.RevisionHistoryLimit+3, revisions[0].Number)
}

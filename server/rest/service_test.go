package rest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/store"
)

func TestAServiceIsCreatedReadAndRemoved(t *testing.T) {
	m := newManager(t)
	created := m.create("web", 3)
	require.Equal(t, "sha256:1", created.Spec.Container.Digest)
	require.Equal(t, 3, created.Desired)
	require.Equal(t, 3, *created.Spec.Replicas)

	for _, ref := range []string{"web", created.ID, created.ID[:5]} {
		found, err := m.client.Service(m.ctx, ref)
		require.NoError(t, err, ref)
		require.Equal(t, created.ID, found.ID)
	}
	_, err := m.client.CreateService(m.ctx, api.ServiceCreate{Spec: api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: "web:1"}}})
	requireCode(t, api.CodeConflict, err, "web", "exists already")
	_, err = m.client.CreateService(m.ctx, api.ServiceCreate{Spec: api.ServiceSpec{Name: "db", Container: api.ContainerSpec{Image: "db:1"}}})
	requireCode(t, api.CodeNotFound, err, "db", "no image")

	require.NoError(t, m.client.RemoveService(m.ctx, "web"))
	_, err = m.client.Service(m.ctx, "web")
	requireCode(t, api.CodeNotFound, err, "web")
	all, err := m.client.Services(m.ctx, client.ServiceQuery{})
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestAJobThatRunsAgainHasNotCompletedYet(t *testing.T) {
	m := newManager(t)
	job, one := api.ServiceSpec{Name: "job", Mode: api.ModeReplicatedJob, Container: api.ContainerSpec{Image: "web:1"}}, 1
	job.Replicas = &one
	created, err := m.client.CreateService(m.ctx, api.ServiceCreate{Spec: job})
	require.NoError(t, err)
	m.put(&api.Task{Meta: api.Meta{ID: "t1"}, Service: created.Service.ID, Revision: 1, Slot: 1, Iteration: 1, Desired: api.DesiredRun},
		&api.TaskStatus{Meta: api.Meta{ID: "t1"}, State: api.TaskComplete})
	ended, err := m.client.Service(m.ctx, "job")
	require.NoError(t, err)
	require.Equal(t, 1, ended.Completed)

	again, err := m.client.UpdateService(m.ctx, "job", api.ServiceUpdate{Spec: ended.Spec, Force: true})
	require.NoError(t, err)
	require.Zero(t, again.Service.Completed, "though no task of the new run is there yet")
}

func TestAnUpdateThatChangesNothingMakesNoRevision(t *testing.T) {
	m := newManager(t)
	created := m.create("web", 2)
	same, err := m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: created.Spec, Version: created.Version})
	require.NoError(t, err)
	require.False(t, same.Changed)
	require.Equal(t, 1, same.Service.Current)

	spec := created.Spec
	spec.Container.Image = "web:2"
	changed, err := m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: spec, Version: created.Version})
	require.NoError(t, err)
	require.True(t, changed.Changed)
	require.Contains(t, changed.Changes, "container.image: web:1 → web:2")
	require.Equal(t, "sha256:2", changed.Service.Spec.Container.Digest)
	require.Equal(t, 2, changed.Service.Replicas, "an update does not scale")

	_, err = m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: spec, Version: created.Version})
	requireCode(t, api.CodeConflict, err, "changed meanwhile")

	forced, err := m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: changed.Service.Spec, Force: true})
	require.NoError(t, err)
	require.Equal(t, 3, forced.Service.Current)

	back, err := m.client.RollbackService(m.ctx, "web", 1)
	require.NoError(t, err)
	require.Equal(t, 1, back.Service.Current)
	require.Equal(t, 3, back.Service.Previous)
	same, err = m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: back.Service.Spec})
	require.NoError(t, err)
	require.False(t, same.Changed, "%v", same.Changes)
	_, err = m.client.RollbackService(m.ctx, "web", 9)
	requireCode(t, api.CodeNotFound, err, "no revision 9", "1, 2, 3")

	revisions, err := m.client.ServiceRevisions(m.ctx, "web")
	require.NoError(t, err)
	require.Len(t, revisions, 3)
	require.Equal(t, 3, revisions[0].Number)
	require.True(t, revisions[2].Current)
}

func TestScalingIsAllOrNothing(t *testing.T) {
	m := newManager(t)
	m.create("web", 1)
	m.create("api", 1)
	_, err := m.client.Scale(m.ctx, map[string]int{"web": 5, "nope": 2})
	requireCode(t, api.CodeNotFound, err, "nope")
	web, err := m.client.Service(m.ctx, "web")
	require.NoError(t, err)
	require.Equal(t, 1, web.Replicas)
	scaled, err := m.client.Scale(m.ctx, map[string]int{"web": 5, "api": 0})
	require.NoError(t, err)
	require.Len(t, scaled, 2)
	require.Equal(t, 0, scaled[0].Replicas)
	require.Equal(t, 5, scaled[1].Replicas)
	require.Equal(t, 1, scaled[1].Current, "scaling is no rollout")
}

func TestARegistryCredentialIsKeptAndNeverShown(t *testing.T) {
	m := newManager(t)
	spec := api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: "web:1", RegistryAuth: "c2VjcmV0"}}
	created, err := m.client.CreateService(m.ctx, api.ServiceCreate{Spec: spec})
	require.NoError(t, err)
	require.Empty(t, created.Service.Spec.Container.RegistryAuth)
	changed := created.Service.Spec
	changed.Container.Image = "web:2"
	answer, err := m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: changed})
	require.NoError(t, err)
	for _, line := range answer.Changes {
		require.NotContains(t, line, "uth")
	}
}

func TestWhatIsRefusedAnywayIsRefusedBeforeARegistryIsAsked(t *testing.T) {
	m := newManager(t)
	m.create("web", 1)
	m.deploy(shop())
	away := api.Errorf(api.CodeUnavailable, "the registry does not answer")
	m.images["docker.io/library/web:2"] = away
	spec := api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: "web:2"}}
	_, err := m.client.CreateService(m.ctx, api.ServiceCreate{Spec: spec})
	requireCode(t, api.CodeConflict, err, "web", "exists already")
	_, err = m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: spec, Version: 1})
	requireCode(t, api.CodeConflict, err, "changed meanwhile")
	changed := shop()
	service := spec
	service.Networks = []api.NetworkAttachment{{Network: "nowhere"}}
	changed.Services["new"] = service
	_, err = m.client.Deploy(m.ctx, api.AppDeploy{Spec: changed})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "registry")
}

func TestAServiceWhoseRevisionIsMissingSaysSo(t *testing.T) {
	m := newManager(t)
	created := m.create("web", 1)
	require.Empty(t, created.Warnings)
	changed := created.Spec
	changed.Labels = map[string]string{"tier": "front"}
	_, err := m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: changed})
	require.NoError(t, err)
	tx := &store.Tx{}
	tx.Remove(api.KindRevision, api.RevisionID(created.ID, 2))
	_, err = m.store.Commit(m.ctx, tx)
	require.NoError(t, err)

	broken, err := m.client.Service(m.ctx, "web")
	require.NoError(t, err)
	require.Len(t, broken.Warnings, 1)
	require.Contains(t, broken.Warnings[0], "its revision 2 is missing")
	mended, err := m.client.RollbackService(m.ctx, "web", 1)
	require.NoError(t, err)
	require.Empty(t, mended.Service.Warnings)
}

func TestAGlobalServiceShowsNoReplicas(t *testing.T) {
	m := newManager(t)
	created := m.create("web", 3)
	spec := created.Spec
	spec.Mode, spec.Replicas = api.ModeGlobal, nil
	global, err := m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: spec})
	require.NoError(t, err)
	require.Zero(t, global.Service.Replicas)
	back, err := m.client.RollbackService(m.ctx, "web", 1)
	require.NoError(t, err)
	require.Equal(t, 3, back.Service.Replicas)
}

package rest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

func TestTasksAndContainersAreFoundByNameAndID(t *testing.T) {
	m := newManager(t)
	web := m.create("web", 2)
	m.run(web, 1, "n1id", "aaa111")
	m.run(web, 2, "n2id", "bbb222")
	m.put(&api.Task{Meta: api.Meta{ID: "waiting"}, Service: web.ID, Revision: 1, Slot: 3, Desired: api.DesiredRun, Reason: "no node fits"})

	tasks, err := m.client.Tasks(m.ctx, client.TaskQuery{Service: "web"})
	require.NoError(t, err)
	require.Len(t, tasks, 3)
	require.Equal(t, "web.1", tasks[0].Name)
	require.Equal(t, "n1", tasks[0].NodeName)
	require.Equal(t, "web:1", tasks[0].Image)
	require.Equal(t, api.TaskPending, tasks[2].Status.State)
	require.Equal(t, "no node fits", tasks[2].Status.Message)
	tasks, err = m.client.Tasks(m.ctx, client.TaskQuery{Node: "n2", Desired: api.DesiredRun})
	require.NoError(t, err)
	require.Len(t, tasks, 1)
	task, err := m.client.Task(m.ctx, "web.2")
	require.NoError(t, err)
	require.Equal(t, "taskbbb222", task.ID)

	view, err := m.client.Service(m.ctx, "web")
	require.NoError(t, err)
	require.Equal(t, 2, view.Running)
	node, err := m.client.Node(m.ctx, "n2")
	require.NoError(t, err)
	require.Equal(t, 1, node.Tasks)

	containers, err := m.client.Containers(m.ctx, client.ContainerQuery{})
	require.NoError(t, err)
	require.Len(t, containers, 2)
	require.Equal(t, "bbb222", containers[0].ID, "the newest first")
	for _, ref := range []string{"aaa111", "aa", "web.1", "taskaaa"} {
		found, err := m.client.Container(m.ctx, ref)
		require.NoError(t, err, ref)
		require.Equal(t, "aaa111", found.ID)
	}
	_, err = m.client.Container(m.ctx, "web.3")
	requireCode(t, api.CodeConflict, err, "no container", "pending")

	m.finish("taskbbb222", "bbb222")
	containers, err = m.client.Containers(m.ctx, client.ContainerQuery{Service: "web"})
	require.NoError(t, err)
	require.Len(t, containers, 1)
	containers, err = m.client.Containers(m.ctx, client.ContainerQuery{Service: "web", All: true})
	require.NoError(t, err)
	require.Len(t, containers, 2)
}

func TestNetworksVolumesAndConfigsOfNoApp(t *testing.T) {
	m := newManager(t)
	(&disks{}).answer(m)
	network, err := m.client.CreateNetwork(m.ctx, api.NetworkSpec{Name: "front"})
	require.NoError(t, err)
	_, err = m.client.CreateNetwork(m.ctx, api.NetworkSpec{Name: "front"})
	requireCode(t, api.CodeConflict, err, "front")
	_, err = m.client.CreateVolume(m.ctx, api.VolumeSpec{Name: "data"})
	require.NoError(t, err)
	_, err = m.client.CreateConfig(m.ctx, api.FileSpec{Name: "conf", Data: []byte("x")})
	require.NoError(t, err)
	secret, err := m.client.CreateSecret(m.ctx, api.FileSpec{Name: "key", Data: []byte("x")})
	require.NoError(t, err)
	require.Empty(t, secret.Spec.Data)

	spec := api.ServiceSpec{
		Name: "web", Networks: []api.NetworkAttachment{{Network: "front"}},
		Container: api.ContainerSpec{
			Image: "web:1", Mounts: []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}},
			Configs: []api.FileReference{{Source: "conf"}},
		},
	}
	answer, err := m.client.CreateService(m.ctx, api.ServiceCreate{Spec: spec})
	require.NoError(t, err)
	require.Empty(t, answer.Warnings)
	requireCode(t, api.CodeConflict, m.client.RemoveNetwork(m.ctx, network.ID), "in use by web")
	_, err = m.client.RemoveVolume(m.ctx, "data", "", false)
	requireCode(t, api.CodeConflict, err, "in use by web")
	requireCode(t, api.CodeConflict, m.client.RemoveConfig(m.ctx, "conf"), "in use by web")
	require.NoError(t, m.client.RemoveSecret(m.ctx, "key"))

	config, err := m.client.UpdateConfig(m.ctx, "conf", api.FileUpdate{Data: []byte("y")})
	require.NoError(t, err)
	require.Equal(t, 2, config.Current)
	require.Equal(t, []byte("y"), config.Spec.Data)
	web, err := m.client.Service(m.ctx, "web")
	require.NoError(t, err)
	require.Equal(t, 2, web.Current, "its user rolls")

	require.NoError(t, m.client.RemoveService(m.ctx, "web"))
	require.NoError(t, m.client.RemoveConfig(m.ctx, "conf"))
	require.NoError(t, m.client.RemoveNetwork(m.ctx, "front"))
	_, err = m.client.RemoveVolume(m.ctx, "data", "", false)
	require.NoError(t, err)
	_, err = m.client.CreateService(m.ctx, api.ServiceCreate{Spec: spec})
	requireCode(t, api.CodeNotFound, err, "front", "orc network create")
}

package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestInspectFindsWhateverHasTheName(t *testing.T) {
	f := newFake(t)
	for _, noun := range []string{"tasks", "containers", "services", "apps", "nodes", "networks", "secrets", "configs", "volumes"} {
		f.on("GET /v1/"+noun+"/nope", api.NotFoundf("no %s nope", noun))
	}
	code, _, errors := f.orc("inspect", "nope")
	require.Equal(t, 1, code)
	require.Equal(t, "orc: there is no object nope: no task, service, node or anything else has that name or ID\n", errors)

	f.on("GET /v1/tasks/web", api.NotFoundf("no task web"))
	f.on("GET /v1/containers/web", api.NotFoundf("no container web"))
	f.on("GET /v1/services/web", api.ServiceView{Service: api.Service{Name: "web"}})
	f.on("GET /v1/nodes/web", api.NodeView{Node: api.Node{Name: "the node web"}})
	require.Equal(t, "web\n", f.ok("inspect", "web", "-f", "{{.Name}}"))
	require.Equal(t, "the node web\n", f.ok("inspect", "web", "--type", "node", "-f", "{{.Name}}"))

	code, _, errors = f.orc("inspect", "web", "--type", "app")
	require.Equal(t, 1, code, errors)
	code, _, errors = f.orc("inspect", "web", "--type", "stack")
	require.Equal(t, 2, code)
	require.Contains(t, errors, `orc inspect: --type "stack": want task, container, service, `)
}

func TestATaskIsInspectedByItsNameOrItsContainer(t *testing.T) {
	f := newFake(t)
	task := api.TaskView{Name: "web.1"}
	task.ID = "t1"
	task.Status = &api.TaskStatus{Checks: []api.CheckResult{{ExitCode: 3, Output: "no database"}}}
	f.on("GET /v1/tasks/web.1", task)
	require.Contains(t, f.ok("inspect", "web.1"), "no database")
	f.on("GET /v1/tasks/c1", api.NotFoundf("no task c1"))
	f.on("GET /v1/containers/c1", api.ContainerView{ID: "c1", Task: "t1"})
	f.on("GET /v1/tasks/t1", task)
	require.Equal(t, "3\n", f.ok("inspect", "c1", "-f", "{{(index .Status.Checks 0).ExitCode}}"))
}

package cli_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestRevisionsOfAnAppAreCompared(t *testing.T) {
	f := newFake(t)
	revision := func(number int, image, password string) api.RevisionView {
		return api.RevisionView{Number: number, App: &api.AppSpec{Name: "shop",
			Services: map[string]api.ServiceSpec{"web": {Container: api.ContainerSpec{Image: image}}},
			Secrets:  map[string]api.FileSpec{"key": {Data: []byte(password)}}}}
	}
	f.on("GET /v1/apps/shop", json.RawMessage(`{"id":"a1","name":"shop","current":4,"last":4}`))
	f.on("GET /v1/apps/a1/revisions", []api.RevisionView{revision(4, "web:3", "c"), revision(3, "web:2", "b"), revision(1, "web:1", "b")})
	require.Equal(t, "secrets.key.data: changed\nservices.web.container.image: web:2 → web:3\n", f.ok("app", "diff", "shop"))
	require.Equal(t, "services.web.container.image: web:1 → web:2\n", f.ok("app", "diff", "shop", "1", "3"))
	code, _, errors := f.orc("app", "diff", "shop", "2")
	require.Equal(t, 1, code)
	require.Contains(t, errors, "app shop has no revision 2: `orc app history shop` lists them")
	code, _, _ = f.orc("app", "diff", "shop", "two")
	require.Equal(t, 2, code)
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
	f.on("GET /v1/tasks/nope", api.NotFoundf("no task nope"))
	f.on("GET /v1/containers/nope", api.NotFoundf("no container nope"))
	code, _, errors := f.orc("inspect", "nope")
	require.Equal(t, 1, code)
	require.Contains(t, errors, "nope")
}

package cli_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestTasksThatEndedTellWhenTheyAreTriedAgain(t *testing.T) {
	now := time.Now()
	task := func(name string, state api.TaskState, edit func(*api.TaskView)) api.TaskView {
		view := api.TaskView{Name: name, Status: &api.TaskStatus{State: state, Since: now.Add(-10 * time.Minute)}}
		view.ID, view.Desired = name, api.DesiredRun
		edit(&view)
		return view
	}
	f := newFake(t)
	f.on("GET /v1/services/web", web(nil))
	f.on("GET /v1/tasks", []api.TaskView{
		task("web.1", api.TaskWaiting, func(v *api.TaskView) { v.Status.NextStart = now.Add(80 * time.Second) }),
		task("web.2", api.TaskWaiting, func(v *api.TaskView) { v.Status.NextStart = now.Add(-time.Second) }),
		task("web.3", api.TaskRejected, func(v *api.TaskView) { v.Retry = now.Add(time.Hour + time.Minute) }),
		task("web.4", api.TaskRejected, func(v *api.TaskView) { v.Retry, v.Desired = now.Add(time.Hour), api.DesiredShutdown }),
		task("web.5", api.TaskRunning, func(v *api.TaskView) { v.Status.NextStart = now.Add(time.Hour) }),
	})
	require.Equal(t, "web.1: Waiting 10 minutes ago, next try in about a minute\n"+
		"web.2: Waiting 10 minutes ago, next try now\n"+
		"web.3: Rejected 10 minutes ago, next try in about an hour\n"+
		"web.4: Rejected 10 minutes ago\n"+
		"web.5: Running 10 minutes ago\n", f.ok("service", "ps", "--format", "{{.Name}}: {{.CurrentState}}", "web"))
}

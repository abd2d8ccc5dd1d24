package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/lab"
)

// tasks are a service's, history included, in the order of slots.
func tasks(t *testing.T, service string) []api.TaskView {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	found, err := connect(t).Tasks(ctx, client.TaskQuery{Service: service})
	require.NoError(t, err)
	slices.SortFunc(found, func(a, b api.TaskView) int { return a.Slot - b.Slot })
	return found
}

// running are those of a service's tasks that run and should.
func running(t *testing.T, service string) []api.TaskView {
	t.Helper()
	return slices.DeleteFunc(tasks(t, service), func(task api.TaskView) bool {
		return task.Desired != api.DesiredRun || task.Status.State != api.TaskRunning
	})
}

// waitRunning waits until exactly n tasks of a service run, and no other does.
func waitRunning(t *testing.T, service string, n int) []api.TaskView {
	t.Helper()
	eventually(t, fmt.Sprintf("%d tasks of %s run", n, service), func() error {
		for _, task := range tasks(t, service) {
			if task.Desired != api.DesiredRun && !task.Status.State.Terminal() && task.Status.State != api.TaskPending {
				return fmt.Errorf("%s (%s) should end and is %s", task.Name, task.ID, task.Status.State)
			}
		}
		if found := running(t, service); len(found) != n {
			return fmt.Errorf("%d run: %s", len(found), describe(tasks(t, service)))
		}
		return nil
	})
	return running(t, service)
}

func describe(tasks []api.TaskView) string {
	var text string
	for _, task := range tasks {
		text += fmt.Sprintf("\n  %s on %s: %s/%s %s %s", task.Name, task.NodeName, task.Desired, task.Status.State, task.Reason, task.Status.Message)
	}
	return text
}

// container is a running task's current one.
func container(task api.TaskView) api.Attempt {
	return task.Status.Attempts[len(task.Status.Attempts)-1]
}

// containers are the IDs of a service's running containers by task name.
func containers(t *testing.T, service string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, task := range running(t, service) {
		found[task.Name] = container(task).Container
	}
	return found
}

// node is the lab's node that a task is on.
func node(t *testing.T, task api.TaskView) *lab.Node {
	t.Helper()
	found, err := shared.Node(task.NodeName)
	require.NoError(t, err)
	return found
}

func connect(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{Host: "unix://" + shared.Nodes()[0].Socket()})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

package chaos

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/sleep"
)

// settle waits until the cluster is as it should be, and returns how long that
// took. It is a violation when it takes longer than the limit.
func settle(ctx context.Context, e *eyes, limit time.Duration) (time.Duration, error) {
	began := e.cluster.pace.Now()
	for {
		lacks := unsettled(ctx, e)
		took := e.cluster.pace.Now() - began
		switch {
		case lacks == "" && took > limit:
			return took, violationf("convergence", "only %s after the last fault the cluster was as it should be: %s are allowed", took.Round(10*time.Millisecond), limit)
		case lacks == "":
			return took, nil
		case took > limit:
			return took, violationf("convergence", "%s after the last fault the cluster is not as it should be: %s", limit, lacks)
		}
		if err := sleep.For(ctx, 50*time.Millisecond); err != nil {
			return took, err
		}
	}
}

// unsettled says what is not yet as it should be, or "".
func unsettled(ctx context.Context, e *eyes) string {
	views := make(map[string][]api.TaskView)
	for _, manager := range e.cluster.names() {
		timed, cancel := context.WithTimeout(ctx, askTime)
		tasks, lacks := notReady(timed, e.cluster.Client(manager), len(e.cluster.Lab.Nodes()), len(e.cluster.names()))
		cancel()
		if lacks != "" {
			return fmt.Sprintf("manager %s: %s", manager, lacks)
		}
		views[manager] = tasks
	}
	if lacks := differ(views); lacks != "" {
		return lacks
	}
	view, err := e.look(ctx)
	switch {
	case err != nil:
		return err.Error()
	case view == nil:
		return "no manager answers"
	}
	return misplaced(view)
}

// notReady is about what one manager says, of so many nodes of which so many are
// managers. When that is well it returns the tasks too.
func notReady(ctx context.Context, c *client.Client, count, managers int) (tasks []api.TaskView, lacks string) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err.Error()
	}
	if lacks := incomplete(nodes, count, managers); lacks != "" {
		return nil, lacks
	}
	services, err := c.Services(ctx, client.ServiceQuery{})
	if err != nil {
		return nil, err.Error()
	}
	for _, service := range services {
		if service.Running != service.Replicas {
			return nil, fmt.Sprintf("of service %s %d of %d tasks run", service.Name, service.Running, service.Replicas)
		}
	}
	if tasks, err = c.Tasks(ctx, client.TaskQuery{}); err != nil {
		return nil, err.Error()
	}
	return tasks, ""
}

// incomplete says what is not as it should be among the nodes that a manager knows, or "".
func incomplete(nodes []api.NodeView, count, managers int) string {
	leaders, voters := 0, 0
	for _, node := range nodes {
		if node.Status.State != api.NodeReady {
			return fmt.Sprintf("node %s is %s since %s: %s", node.Name, node.Status.State, node.Status.Since.Format(time.TimeOnly), node.Status.Message)
		}
		if node.Leader {
			leaders++
		}
		if votes(node) {
			voters++
		}
	}
	if len(nodes) != count || leaders != 1 || voters != managers {
		return fmt.Sprintf("it knows %d of %d nodes, %d lead, and %d of %d managers vote", len(nodes), count, leaders, voters, managers)
	}
	return ""
}

// differ says which managers do not see the same tasks at the same versions, or "".
func differ(views map[string][]api.TaskView) string {
	var first string
	var expected map[string][2]int64
	for _, manager := range slices.Sorted(maps.Keys(views)) {
		versions := make(map[string][2]int64)
		for _, task := range views[manager] {
			of := [2]int64{task.Version}
			if task.Status != nil {
				of[1] = task.Status.Version
			}
			versions[task.ID] = of
		}
		if first == "" {
			first, expected = manager, versions
		}
		if !maps.Equal(expected, versions) {
			return fmt.Sprintf("managers %s and %s do not see the same tasks", first, manager)
		}
	}
	return ""
}

// misplaced compares what is wanted with the processes that there are.
func misplaced(v *View) string {
	wanted := make(map[string]bool)
	for _, task := range v.Tasks {
		if task.Desired == api.DesiredRun {
			wanted[task.ID+" on "+task.NodeName] = true
		}
	}
	var wrong []string
	for node, tasks := range v.Running {
		for _, task := range tasks {
			place := task.ID + " on " + node
			if !wanted[place] {
				wrong = append(wrong, fmt.Sprintf("%s (task %s) still runs on %s", task.Name, api.ShortID(task.ID), node))
			}
			delete(wanted, place)
		}
	}
	for node, containers := range v.Nameless {
		for _, container := range containers {
			wrong = append(wrong, fmt.Sprintf("container %s runs on %s, and no task has ever said that it is its own", container, node))
		}
	}
	for place := range wanted {
		wrong = append(wrong, "no process of task "+place)
	}
	return strings.Join(wrong, "; ")
}

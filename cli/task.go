package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/output"
)

// taskRow is a line of `orc service ps`: a task, or an earlier container of one
// that its node replaced.
type taskRow struct {
	task    *api.TaskView
	attempt *api.Attempt // nil: the task as it is
	older   bool         // not the first of its name
}

// taskRows lists tasks with their earlier containers below them.
func taskRows(tasks []api.TaskView) []taskRow {
	var rows []taskRow
	seen := make(map[string]bool)
	for i := range tasks {
		task := &tasks[i]
		rows = append(rows, taskRow{task: task, older: seen[task.Name]})
		seen[task.Name] = true
		earlier := task.Status.Attempts
		if n := len(earlier); n > 0 {
			state := task.Status.State
			if state.Terminal() || state == api.TaskWaiting || earlier[n-1].Finished.IsZero() {
				earlier = earlier[:n-1] // that one is the task as it is
			}
		}
		for _, attempt := range slices.Backward(earlier) {
			if !attempt.Finished.IsZero() {
				rows = append(rows, taskRow{task: task, attempt: &attempt, older: true})
			}
		}
	}
	return rows
}

func (p *program) showTasks(c *cli.Context, tasks []api.TaskView) error {
	return taskListing(time.Now()).show(p, c, taskRows(tasks))
}

func taskListing(now time.Time) listing[taskRow] {
	return listing[taskRow]{
		List: output.List[taskRow]{
			ID: func(r taskRow) string { return r.task.ID },
			Columns: []output.Column[taskRow]{
				{Name: "ID", Header: "ID", Value: func(r taskRow) string { return api.ShortID(r.task.ID) }, Full: func(r taskRow) string { return r.task.ID }, Spare: 1},
				{Name: "Name", Header: "NAME", Value: taskName, Shrink: true, Tail: true},
				{Name: "Image", Header: "IMAGE", Value: func(r taskRow) string { return r.task.Image }, Shrink: true, Tail: true, Spare: 2},
				{Name: "Node", Header: "NODE", Value: func(r taskRow) string { return r.task.NodeName }, Shrink: true, Tail: true},
				{Name: "DesiredState", Header: "DESIRED STATE", Value: desiredState, Spare: 3},
				{Name: "CurrentState", Header: "CURRENT STATE", Value: func(r taskRow) string { return currentState(r, now) }, Color: taskColor, Shrink: true},
				{Name: "Error", Header: "ERROR", Value: func(r taskRow) string { return output.Cut(taskError(r), 60) }, Full: taskError, Shrink: true},
				{Name: "Ports", Header: "PORTS", Value: hostPorts, Shrink: true},
				{Name: "NextTry", Value: func(r taskRow) string {
					if next := nextTry(r); !next.IsZero() {
						return next.Format(time.RFC3339)
					}
					return ""
				}},
				{Name: "Container", Value: func(r taskRow) string { return api.ShortID(containerOf(r)) }, Full: containerOf},
				{Name: "Revision", Value: func(r taskRow) string { return strconv.Itoa(r.task.Revision) }},
				{Name: "Service", Value: func(r taskRow) string { return r.task.ServiceName }},
			},
		},
		filters: filters[taskRow]{
			"id":   func(r taskRow, v string) bool { return strings.HasPrefix(r.task.ID, v) },
			"name": func(r taskRow, v string) bool { return strings.Contains(r.task.Name, v) },
			"node": func(r taskRow, v string) bool {
				return r.task.NodeName == v || v != "" && strings.HasPrefix(r.task.Node, v)
			},
			"service":       func(r taskRow, v string) bool { return r.task.ServiceName == v || strings.HasPrefix(r.task.Service, v) },
			"desired-state": func(r taskRow, v string) bool { return strings.EqualFold(desiredState(r), v) },
			"state":         func(r taskRow, v string) bool { return string(stateOf(r)) == v },
		},
	}
}

func taskName(r taskRow) string {
	if r.older {
		return ` \_ ` + r.task.Name
	}
	return r.task.Name
}

func desiredState(r taskRow) string {
	switch {
	case r.attempt != nil, r.task.Desired == api.DesiredShutdown:
		return "Shutdown"
	case r.task.Desired == api.DesiredRemove:
		return "Remove"
	case r.task.Desired == api.DesiredReady:
		return "Ready"
	case r.task.Status.State == api.TaskComplete: // it is not started again
		return "Complete"
	}
	return "Running"
}

func stateOf(r taskRow) api.TaskState {
	switch {
	case r.attempt == nil:
		return r.task.Status.State
	case r.attempt.ExitCode == 0 && r.attempt.Error == "":
		return api.TaskComplete
	}
	return api.TaskFailed
}

func currentState(r taskRow, now time.Time) string {
	since := r.task.Status.Since
	if r.attempt != nil {
		since = r.attempt.Finished
	} else if since.IsZero() {
		since = r.task.Created
	}
	text := upperFirst(string(stateOf(r)))
	if ago := output.Ago(now, since); ago != "" {
		text += " " + lowerFirst(ago)
	}
	switch next := nextTry(r); {
	case next.IsZero():
	case next.After(now):
		text += ", next try in " + lowerFirst(units.HumanDuration(next.Sub(now)))
	default:
		text += ", next try now"
	}
	return text
}

// nextTry is when what ended is started again, on its node or by another task;
// zero for what runs or is over.
func nextTry(r taskRow) time.Time {
	switch state := r.task.Status.State; {
	case r.attempt != nil || r.task.Desired != api.DesiredRun:
		return time.Time{}
	case state == api.TaskWaiting:
		return r.task.Status.NextStart
	case state.Terminal():
		return r.task.Retry
	}
	return time.Time{}
}

func taskColor(r taskRow) output.Color {
	switch stateOf(r) {
	case api.TaskRunning, api.TaskComplete:
		return output.Good
	case api.TaskFailed, api.TaskRejected, api.TaskLost:
		return output.Bad
	case api.TaskShutdown:
		return output.Dim
	}
	return output.Busy
}

// taskError says what went wrong, or what a task that does not run waits for.
func taskError(r taskRow) string {
	if r.attempt != nil {
		return attemptError(r.attempt)
	}
	status := r.task.Status
	switch status.State {
	case api.TaskRunning, api.TaskComplete:
		return ""
	case api.TaskShutdown: // as was wanted, unless its node ended it first
		if n := len(status.Attempts); n > 0 {
			return status.Attempts[n-1].Error
		}
		return ""
	case api.TaskPending:
		return cmp.Or(r.task.Reason, status.Message)
	}
	if status.Message == "" && len(status.Attempts) > 0 {
		return attemptError(&status.Attempts[len(status.Attempts)-1])
	}
	return status.Message
}

func attemptError(attempt *api.Attempt) string {
	switch {
	case attempt.Error != "":
		return attempt.Error
	case attempt.OOMKilled:
		return "out of memory (exit code 137)"
	case attempt.ExitCode > 0:
		return fmt.Sprintf("exit code %d", attempt.ExitCode)
	}
	return ""
}

func containerOf(r taskRow) string {
	if r.attempt != nil {
		return r.attempt.Container
	}
	if attempts := r.task.Status.Attempts; len(attempts) > 0 {
		return attempts[len(attempts)-1].Container
	}
	return ""
}

func hostPorts(r taskRow) string {
	var host []api.Port
	for _, port := range r.task.Ports {
		if port.Mode == "host" {
			host = append(host, port)
		}
	}
	if r.attempt != nil {
		return ""
	}
	return ports(host)
}

// ports shows published ports as Docker does: *:8080->80/tcp.
func ports(all []api.Port) string {
	var texts []string
	for _, port := range all {
		published := "*"
		if port.HostIP != "" {
			published = port.HostIP
		}
		text := fmt.Sprintf("%d/%s", port.Target, port.Protocol)
		if port.Published != 0 {
			text = fmt.Sprintf("%s:%d->%s", published, port.Published, text)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

func lowerFirst(text string) string {
	if text == "" {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}

package progress

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
)

// State is how far one service is.
type State struct {
	Name             string
	Running, Desired int
	// Note is what it is waiting for.
	Note string
	Done bool
	// Failure says why it does not get there by itself, and what to do.
	Failure string
}

// How often a slot may fail before the watch gives up on it. A node that rejects
// a task once may be the wrong node; a container that ends three times in a row
// is not going to stay.
const (
	maxRejected = 2
	maxFailed   = 3
)

// placementPatience is for how long tasks that fit no node are waited for: nodes
// that are just joining may take them.
const placementPatience = 30 * time.Second

// judge remembers what it has to about one service between two looks.
type judge struct {
	want int
	// complete is since when all tasks run, desired how many those are, unplaced since when one has no node; by
	// this host's clock.
	complete, unplaced time.Time
	desired            int
	// why the update is being rolled back: the rollout forgets it at the end.
	why string
}

// look judges a service by itself and all of its tasks.
func (j *judge) look(service *api.ServiceView, tasks []api.TaskView, now time.Time) State {
	state := State{Name: service.Name, Desired: desired(service)}
	var stable time.Time
	var stale, waiting int
	for _, task := range tasks {
		if task.Desired != api.DesiredRun {
			continue
		}
		switch {
		case !current(service, &task):
			stale++
		case good(service, &task):
			state.Running++
			if task.Status.Since.After(stable) {
				stable = task.Status.Since
			}
		default:
			waiting++
		}
	}
	state.Note = note(service, tasks)
	if state.Failure = j.failure(service, tasks, now); state.Failure != "" {
		return state
	}
	if j.moved(service, &state) {
		return state
	}
	if service.Spec.Mode.Job() {
		j.job(service, tasks, &state, now)
		return state
	}
	if state.Running != state.Desired || stale > 0 || waiting > 0 {
		j.complete = time.Time{}
		if state.Note == "" {
			state.Note = "updating"
		}
		return state
	}
	j.verify(service, &state, stable, now)
	return state
}

// verify decides about a service whose tasks all run: a rollout says itself when
// it is over, else they have to stay up for the monitor time, as told by their
// nodes' clocks or by this one's.
func (j *judge) verify(service *api.ServiceView, state *State, stable, now time.Time) {
	if rollout := service.Rollout; rollout != nil && rollout.To == service.Current {
		switch rollout.State {
		case api.RolloutUpdating, api.RolloutRollingBack, api.RolloutRebalancing:
			state.Note = "verifying that the tasks stay up"
			return
		}
	}
	if asked(service) {
		state.Note = "to be rebalanced"
		return
	}
	if j.complete.IsZero() || j.desired != state.Desired {
		j.complete, j.desired = now, state.Desired
	}
	monitor := api.DefaultUpdateMonitor
	if service.Spec.Update.Monitor != nil {
		monitor = service.Spec.Update.Monitor.Std()
	}
	waited := now.Sub(j.complete) >= monitor
	switch {
	case state.Desired == 0 && service.Spec.Mode.Global() && !waited:
		// No node fits, or the manager has not got to it yet.
		state.Note = "waiting for nodes"
		return
	case state.Desired > 0 && now.Sub(stable) < monitor && !waited:
		state.Note = "verifying that the tasks stay up"
		return
	}
	state.Done, state.Note = true, "converged"
}

// moved handles a service that has another revision than was asked for: its
// update failed and was rolled back, or somebody changed it again.
func (j *judge) moved(service *api.ServiceView, state *State) bool {
	rollout := service.Rollout
	switch {
	case service.Current == j.want:
		return false
	case service.Current > j.want && (rollout == nil || rollout.From != j.want):
		state.Failure = fmt.Sprintf("somebody changed it meanwhile: it is at revision %d, not %d", service.Current, j.want)
	case rollout != nil && rollout.To == service.Current && rollout.State == api.RolloutRollingBack:
		j.why = cmp.Or(rollout.Message, fmt.Sprintf("update to revision %d failed", j.want))
		state.Note = j.why
	default:
		back := []string{fmt.Sprintf("it is back at revision %d", service.Current)}
		state.Failure = fmt.Sprintf("%s; %s: %s", cmp.Or(j.why, fmt.Sprintf("update to revision %d failed", j.want)),
			strings.Join(append(back, service.Warnings...), ", but "), seeTasks(service))
	}
	return true
}

func (j *judge) job(service *api.ServiceView, tasks []api.TaskView, state *State, now time.Time) {
	if service.Spec.Schedule != "" {
		state.Done, state.Note = true, "runs at "+service.Spec.Schedule
		return
	}
	completed := 0
	for _, task := range tasks {
		if current(service, &task) && task.Status.State == api.TaskComplete {
			completed++
		}
	}
	state.Running = max(completed, service.Completed)
	if state.Desired == 0 && service.Spec.Mode.Global() {
		j.verify(service, state, time.Time{}, now)
		return
	}
	if state.Done = state.Running >= state.Desired; state.Done {
		state.Note = "completed"
	} else if state.Note == "" {
		state.Note = "running"
	}
}

// failure says why the service does not get there by itself, or "".
func (j *judge) failure(service *api.ServiceView, tasks []api.TaskView, now time.Time) string {
	if rollout := service.Rollout; rollout != nil && rollout.To == service.Current {
		switch rollout.State {
		case api.RolloutPaused:
			return cmp.Or(rollout.Message, "update paused: "+seeTasks(service))
		case api.RolloutRollbackPaused:
			return cmp.Or(rollout.Message, "rollback paused: "+seeTasks(service))
		case api.RolloutRebalanceStopped:
			if !asked(service) {
				return rollout.Message
			}
		case api.RolloutUpdating, api.RolloutRollingBack, api.RolloutRebalancing:
			return "" // its own failure action decides
		}
	}
	if reason := slotFailure(service, tasks); reason != "" {
		return reason + "; orc goes on trying: " + seeTasks(service)
	}
	unplaced := ""
	for _, task := range tasks {
		if task.Desired == api.DesiredRun && task.Node == "" && strings.HasPrefix(task.Reason, "no node") {
			unplaced = task.Reason
		}
	}
	switch {
	case unplaced == "":
		j.unplaced = time.Time{}
	case j.unplaced.IsZero():
		j.unplaced = now
	case now.Sub(j.unplaced) >= placementPatience:
		return unplaced + "; it waits for one: " + seeTasks(service)
	}
	return ""
}

// asked says that a rebalance was asked for which has not begun.
func asked(service *api.ServiceView) bool {
	done := 0
	if service.Rollout != nil {
		done = service.Rollout.Rebalance
	}
	return service.Service.Rebalance != done
}

// slotFailure finds a slot that failed too often since the service last changed.
func slotFailure(service *api.ServiceView, tasks []api.TaskView) string {
	type slot struct {
		number int
		node   string
	}
	rejected, failed := make(map[slot]int), make(map[slot]int)
	for _, task := range tasks {
		if task.Revision != service.Current || task.Created.Before(service.Updated) {
			continue
		}
		at := slot{number: task.Slot}
		if task.Slot == 0 {
			at.node = task.Node
		}
		switch task.Status.State {
		case api.TaskRejected:
			rejected[at]++
		case api.TaskFailed:
			failed[at]++
		case api.TaskWaiting:
			failed[at] += task.Status.Restarts + 1
		}
		last := service.Spec.Restart.Condition == api.RestartNone && task.Status.State == api.TaskFailed
		if rejected[at] >= maxRejected || failed[at] >= maxFailed || last {
			return task.Name + ": " + ended(&task)
		}
	}
	return ""
}

// ended says how a task ended.
func ended(task *api.TaskView) string {
	status := task.Status
	if status.Message != "" {
		return status.Message
	}
	if len(status.Attempts) > 0 {
		last := status.Attempts[len(status.Attempts)-1]
		switch {
		case last.Error != "":
			return last.Error
		case last.OOMKilled:
			return "ran out of memory"
		}
		return fmt.Sprintf("ended with exit code %d", last.ExitCode)
	}
	return string(status.State)
}

// note says what the first task that is not running is doing; else the first that is
// made ready to take another's place.
func note(service *api.ServiceView, tasks []api.TaskView) string {
	first := firstOf(tasks, func(task *api.TaskView) bool {
		return task.Desired == api.DesiredRun && current(service, task) && !good(service, task)
	})
	if first == nil {
		first = firstOf(tasks, func(task *api.TaskView) bool {
			return task.Desired == api.DesiredReady && task.Status.State != api.TaskReady
		})
	}
	if first == nil {
		return ""
	}
	text := slotName(service, first) + " " + string(first.Status.State)
	switch {
	case first.Node == "" && first.Reason != "":
		return text + ": " + first.Reason
	case first.Status.Message != "":
		return text + ": " + first.Status.Message
	}
	return text
}

// slotName is a task's without that of its service, which stands before it.
func slotName(service *api.ServiceView, task *api.TaskView) string {
	switch {
	case task.Slot == 0 && task.NodeName == "":
		return "a task"
	case task.Slot == 0:
		return "on " + task.NodeName
	}
	return fmt.Sprintf("slot %d", task.Slot)
}

// firstOf is the chosen task of the lowest slot, or nil.
func firstOf(tasks []api.TaskView, chosen func(*api.TaskView) bool) *api.TaskView {
	var first *api.TaskView
	for i := range tasks {
		task := &tasks[i]
		if chosen(task) && (first == nil || task.Slot < first.Slot || task.Slot == first.Slot && task.Name < first.Name) {
			first = task
		}
	}
	return first
}

// current says whether a task is of the revision that is wanted, or of one that
// the finished rollout found to be no different.
func current(service *api.ServiceView, task *api.TaskView) bool {
	rollout := service.Rollout
	finished := rollout != nil && rollout.To == service.Current &&
		(rollout.State == api.RolloutCompleted || rollout.State == api.RolloutRollbackComplete)
	return task.Revision == service.Current || finished
}

// good says whether a task is where it should be.
func good(service *api.ServiceView, task *api.TaskView) bool {
	ended := service.Spec.Restart.Condition == api.RestartOnFailure || service.Spec.Restart.Condition == api.RestartNone
	return task.Status.State == api.TaskRunning || task.Status.State == api.TaskComplete && ended
}

func desired(service *api.ServiceView) int {
	if service.Spec.Mode.Global() {
		return service.Desired
	}
	return service.Replicas
}

func seeTasks(service *api.ServiceView) string {
	return "`orc service ps " + service.Name + "` shows the tasks"
}

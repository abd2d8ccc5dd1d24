package scheduler

import "github.com/orc-project/orc/api"

// member is a task of the service with what is known of it, as it will be after
// the steps planned so far.
type member struct {
	task   *api.Task
	status *api.TaskStatus // nil before the node reported
	// step and lost are the places of the steps planned for the task and for its
	// status, counted from 1.
	step, lost int
}

func (m *member) state() api.TaskState {
	switch {
	case m.status != nil:
		return m.status.State
	case m.task.Node != "":
		return api.TaskAssigned
	}
	return api.TaskPending
}

// ended says that nothing of it runs or will.
func (m *member) ended() bool { return ended(m.task, m.status) }

// wanted says that it should run and may still.
func (m *member) wanted() bool { return m.task.Desired == api.DesiredRun && !m.ended() }

// prepared says that it is, or is being, made ready to take another's place.
func (m *member) prepared() bool { return m.task.Desired == api.DesiredReady && !m.ended() }

func (m *member) running() bool { return m.wanted() && m.state() == api.TaskRunning }

// Package progress follows services on their way to what was asked of them and
// shows it: redrawn on a terminal, as plain lines elsewhere. It judges what the
// API answers and changes nothing; ending it leaves everything running.
package progress

import (
	"context"
	"errors"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/output"
)

// Interval is between two looks at the cluster; patience is for how long managers
// that do not answer are asked again.
const (
	Interval = 250 * time.Millisecond
	patience = time.Minute
)

// ErrInterrupted says that the user stopped watching; what was begun goes on.
var ErrInterrupted = errors.New("interrupted")

// View is what there is to see of the services that are followed.
type View struct {
	Services []api.ServiceView
	Tasks    []api.TaskView
}

// Watch follows services until all are as wanted, or one cannot get there.
type Watch struct {
	// Look asks for the services to follow, in the order to show them, and for all
	// of their tasks.
	Look func(context.Context) (View, error)
	// Want is the revision that each service should reach, by its ID; one that is
	// not in it should reach the revision it has.
	Want map[string]int
	// Timeout bounds the wait; 0 does not.
	Timeout time.Duration
	// Printer is where to show it; nil shows nothing.
	Printer *output.Printer
}

// Run returns nil when everything has converged, and an error that says what went
// wrong and how to go on. A canceled context is ErrInterrupted.
func (w *Watch) Run(ctx context.Context) error {
	screen := newScreen(w.Printer)
	begun := time.Now()
	answered := begun
	judges := make(map[string]*judge)
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		view, err := w.Look(ctx)
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			screen.leave()
			return ErrInterrupted
		case err != nil && api.CodeOf(err) == api.CodeUnavailable && now.Sub(answered) < patience:
			screen.note("no manager answers, trying again: " + err.Error())
		case err != nil:
			return err
		default:
			answered = now
			states := w.judge(judges, view, now)
			screen.draw(states)
			if done, err := settled(states); done {
				return err
			}
		}
		if w.Timeout > 0 && now.Sub(begun) >= w.Timeout {
			return api.Errorf(api.CodeUnavailable, "not converged after %s; it goes on: `orc service ls` shows how far it is", w.Timeout)
		}
		select {
		case <-ctx.Done():
			screen.leave()
			return ErrInterrupted
		case <-ticker.C:
		}
	}
}

func (w *Watch) judge(judges map[string]*judge, view View, now time.Time) []State {
	tasks := make(map[string][]api.TaskView)
	for _, task := range view.Tasks {
		tasks[task.Service] = append(tasks[task.Service], task)
	}
	states := make([]State, 0, len(view.Services))
	for i := range view.Services {
		service := &view.Services[i]
		if judges[service.ID] == nil {
			want, given := w.Want[service.ID]
			if !given {
				want = service.Current
			}
			judges[service.ID] = &judge{want: want}
		}
		states = append(states, judges[service.ID].look(service, tasks[service.ID], now))
	}
	return states
}

// settled says whether there is nothing more to wait for: everything is as
// wanted, or something failed.
func settled(states []State) (bool, error) {
	done := true
	for _, state := range states {
		if state.Failure != "" {
			return true, api.Errorf(api.CodeConflict, "service %s: %s", state.Name, state.Failure)
		}
		done = done && state.Done
	}
	return done, nil
}

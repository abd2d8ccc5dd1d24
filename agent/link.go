package agent

import (
	"time"

	"github.com/orc-project/orc/api"
)

// link is how the node stands with the managers.
type link struct {
	up bool
	// met says that a manager has told this process what to run.
	met bool
	// since is when a manager was last heard, or when the process began.
	since time.Time
}

// stoppedCutOff is the error of an attempt that ended because no manager was in
// reach for longer than its service allows.
const stoppedCutOff = "stopped: no manager was in reach for longer than the service allows"

// hold holds a task back that should run while its node is cut off for longer than
// its service allows, and one that a process never was told to start. It returns
// the goal, and after how long to ask again.
func hold(g goal, f found, stopAfter *api.Duration, l link, now time.Time) (goal, time.Duration) {
	if g != goalRun || stopAfter == nil || l.up {
		return g, idle
	}
	if !l.met && f == none {
		return goalHold, idle
	}
	if left := l.since.Add(stopAfter.Std()).Sub(now); left > 0 {
		return goalRun, left
	}
	return goalHold, idle
}

// Lost tells that the connection to the managers has ended, and when they were
// last heard. The next complete assignments tell that there is one again.
func (a *Agent) Lost(heard time.Time) {
	a.mu.Lock()
	a.link.up, a.link.since = false, heard
	a.mu.Unlock()
	a.wakeAll()
}

// reached notes that a manager is there. The caller holds mu.
func (a *Agent) reached() {
	if a.link.up {
		return
	}
	a.link.up, a.link.met = true, true
	for _, t := range a.tasks {
		t.wake()
	}
}

func (a *Agent) linked() link {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link
}

// aim is the task's goal for now, and after how long it may be another.
func (t *task) aim() (g goal, again time.Duration) {
	link := t.agent.linked()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.want == nil || t.want.spec == nil {
		return t.goal, idle
	}
	f := t.found()
	g, again = hold(t.goal, f, t.want.spec.StopIsolated, link, time.Now())
	if g == goalHold && f == running {
		t.blame = stoppedCutOff
	}
	return g, again
}

// heldBack notes that the task waits for a manager.
func (t *task) heldBack() {
	t.note(func(s *api.TaskStatus) { s.State, s.Message, s.NextStart = api.TaskWaiting, stoppedCutOff, time.Time{} })
}

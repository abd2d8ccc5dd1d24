package agent

// goal is what should become of a task.
type goal int

const (
	goalRun   goal = iota // run, by its restart policy
	goalReady             // be created, and wait for goalRun
	goalEnd               // end, and stay as history
	goalGone              // end, and be forgotten
	goalHold              // end, and run again when a manager is in reach
	goals
)

// makes says whether a goal wants a container.
func (g goal) makes() bool { return g == goalRun || g == goalReady }

// found is what there is of a task's container.
type found int

const (
	none    found = iota
	created       // never started
	running
	exited
	founds
)

// action is the next thing to do for a task.
type action int

const (
	rest     action = iota // wait for something to change
	prepare                // pull, create
	await                  // say that it is ready
	start                  // run what was created
	watch                  // see that it is well
	conclude               // note how it ended, decide whether it starts again
	stop                   // signal it, and kill it when its grace is over
	clean                  // remove the container
	finish                 // say that it has ended
	forget                 // drop all that is kept of it
)

// table says what is next: by goal, by whether the task has ended for good, and by
// what there is of its container. A test shows that it leads every task to its
// goal.
//
//	goalRun:   prepare → start → watch ──exit──▶ conclude → clean → prepare … or rest
//	goalReady: prepare → await, until it is goalRun
//	goalEnd:   stop → conclude → clean → finish → rest
//	goalGone:  stop → conclude → clean → forget
//	goalHold:  stop → conclude → clean → rest, until it is goalRun again
var table = [goals][2][founds]action{
	goalRun: {
		{none: prepare, created: start, running: watch, exited: conclude},
		{none: rest, created: clean, running: stop, exited: clean},
	},
	goalReady: {
		{none: prepare, created: await, running: stop, exited: conclude},
		{none: rest, created: clean, running: stop, exited: clean},
	},
	goalEnd: {
		{none: finish, created: clean, running: stop, exited: conclude},
		{none: rest, created: clean, running: stop, exited: clean},
	},
	goalGone: {
		{none: forget, created: clean, running: stop, exited: clean},
		{none: forget, created: clean, running: stop, exited: clean},
	},
	goalHold: {
		{none: rest, created: clean, running: stop, exited: conclude},
		{none: rest, created: clean, running: stop, exited: clean},
	},
}

// next looks the action up.
func next(g goal, over bool, f found) action {
	row := 0
	if over {
		row = 1
	}
	return table[g][row][f]
}

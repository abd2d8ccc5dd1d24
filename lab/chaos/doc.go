// Package chaos is the fault suite: it lets clients write to a lab's managers and
// read from them, hurts the nodes meanwhile, and checks all the time that orc keeps
// its promises. `make chaos` runs it for hours, the tests for some minutes.
//
// A run is a row of rounds. What a round does is drawn from the seed before it
// begins, so that the same seed and round meet the same faults again, as far as
// time allows. The pieces know nothing of each other:
//
//	Schedule ──▶ nemesis ──Fault──▶ lab ◀──Client── traffic ──▶ History
//	                                 ▲                             │
//	                     Watch ──────┘ Invariants               Check (porcupine)
//
// Clients reach each manager over its socket, so a manager that is cut off can
// still be asked, and must not answer what it cannot know.
package chaos

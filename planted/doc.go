// Package planted has the bugs that the fault suite must catch. They are in builds
// with the tag chaosbugs alone, and asleep until the file that ORC_CHAOS_BUG names
// says which of them is to wake, and in two cases when to go on; in any other build the functions hand back what
// they get and nothing of them is left after inlining.
//
//	fence     a deposed leader commits what it had planned
//	gap       changes between the listing of the database and the watch are missed
//	answer    a change is acknowledged before it is committed
//	address   an address is given to a task while another one has it
package planted

package chaos

import (
	"fmt"
	"net/netip"

	"github.com/orc-project/orc/api"
)

// Invariant is a promise that holds at every time. It returns a *Violation.
type Invariant func(*View) error

// Invariants are all that a run checks.
var Invariants = []Invariant{oneContainerPerSlot, oneTaskPerSlot, oneUserPerAddress, noFalseEviction}

// slotOf names a place that one task at a time should fill.
func slotOf(task api.TaskView) string {
	if task.Slot == 0 {
		return task.Service + " on " + task.Node
	}
	return fmt.Sprintf("%s.%d", task.Service, task.Slot)
}

// oneContainerPerSlot: of nodes that can be reached no two run a task of the same
// slot. The suite's services stop the old before they start the new.
func oneContainerPerSlot(v *View) error {
	type place struct{ task, node string }
	at := make(map[string]place)
	for node, tasks := range v.Running {
		if !v.Well[node] {
			continue
		}
		for _, task := range tasks {
			slot := slotOf(task)
			if other, taken := at[slot]; taken && other.task != task.ID {
				return violationf("one container per slot", "%s runs twice: task %s on %s and task %s on %s",
					task.Name, api.ShortID(other.task), other.node, api.ShortID(task.ID), node)
			}
			at[slot] = place{task.ID, node}
		}
	}
	return nil
}

// oneTaskPerSlot: no two tasks of one slot are wanted at the same revision.
func oneTaskPerSlot(v *View) error {
	wanted := make(map[string]api.TaskView)
	for _, task := range v.Tasks {
		if task.Desired != api.DesiredRun || task.Slot == 0 {
			continue
		}
		slot := slotOf(task)
		if other, taken := wanted[slot]; taken {
			return violationf("one task per slot", "%s is wanted twice: task %s (%s) and task %s (%s)",
				task.Name, api.ShortID(other.ID), other.Reason, api.ShortID(task.ID), task.Reason)
		}
		wanted[slot] = task
	}
	return nil
}

// oneUserPerAddress: no two tasks on nodes that can be reached have the same
// address of a network.
func oneUserPerAddress(v *View) error {
	type address struct {
		network string
		ip      netip.Addr
	}
	users := make(map[address]api.TaskView)
	for node, tasks := range v.Running {
		if !v.Well[node] {
			continue
		}
		for _, task := range tasks {
			for network, ip := range task.Status.Addresses {
				at := address{network, ip}
				if other, taken := users[at]; taken && other.ID != task.ID {
					return violationf("one user per address", "%s is that of %s on %s and of %s on %s",
						ip, other.Name, other.NodeName, task.Name, task.NodeName)
				}
				users[at] = task
			}
		}
	}
	return nil
}

// noFalseEviction: no node is taken for lost that could be heard.
func noFalseEviction(v *View) error {
	for node, message := range v.Evicted {
		return violationf("no false eviction", "%s was taken for lost, and nothing kept it from being heard: %s", node, message)
	}
	return nil
}

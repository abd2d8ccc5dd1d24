package chaos

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func aTask(id string, slot int, node, address string) api.TaskView {
	task := api.TaskView{
		Task:     api.Task{Meta: api.Meta{ID: id}, Service: "s", Slot: slot, Node: node, Desired: api.DesiredRun},
		NodeName: node, Name: "s.1", Status: &api.TaskStatus{State: api.TaskRunning},
	}
	if address != "" {
		task.Status.Addresses = map[string]netip.Addr{"net": netip.MustParseAddr(address)}
	}
	return task
}

// see is a view of tasks that all run where they should, on nodes that are well.
func see(tasks ...api.TaskView) *View {
	v := &View{Tasks: tasks, Running: make(map[string][]api.TaskView), Well: make(map[string]bool)}
	for _, task := range tasks {
		v.Running[task.NodeName] = append(v.Running[task.NodeName], task)
		v.Well[task.NodeName] = true
	}
	return v
}

func TestInvariantsHold(t *testing.T) {
	restarted := see(aTask("a", 1, "n1", "10.0.0.1"))
	restarted.Running["n1"] = append(restarted.Running["n1"], restarted.Tasks[0]) // its next container
	cutOff := see(aTask("a", 1, "n1", "10.0.0.1"), aTask("b", 1, "n2", "10.0.0.1"))
	cutOff.Well["n1"], cutOff.Tasks = false, cutOff.Tasks[1:]
	for name, view := range map[string]*View{
		"a slot each":              see(aTask("a", 1, "n1", "10.0.0.1"), aTask("b", 2, "n1", "10.0.0.2"), aTask("c", 3, "n2", "10.0.0.3")),
		"a node each":              see(aTask("a", 0, "n1", ""), aTask("b", 0, "n2", "")),
		"two containers of a task": restarted,
		"a node that is cut off":   cutOff,
	} {
		for _, holds := range Invariants {
			require.NoError(t, holds(view), name)
		}
	}
}

func TestInvariantsAreBroken(t *testing.T) {
	twice := see(aTask("a", 1, "n1", ""), aTask("b", 1, "n2", ""))
	twice.Tasks = nil
	for name, c := range map[string]struct {
		invariant string
		holds     Invariant
		view      *View
	}{
		"a slot on two nodes":     {"one container per slot", oneContainerPerSlot, twice},
		"a slot that two want":    {"one task per slot", oneTaskPerSlot, see(aTask("a", 1, "n1", ""), aTask("b", 1, "n1", ""))},
		"a node written off":      {"no false eviction", noFalseEviction, &View{Evicted: map[string]string{"n1": "silent"}}},
		"an address of two nodes": {"one user per address", oneUserPerAddress, see(aTask("a", 1, "n1", "10.0.0.1"), aTask("b", 2, "n2", "10.0.0.1"))},
		"an address twice on one": {"one user per address", oneUserPerAddress, see(aTask("a", 1, "n1", "10.0.0.1"), aTask("b", 2, "n1", "10.0.0.1"))},
	} {
		t.Run(name, func(t *testing.T) {
			var violation *Violation
			require.ErrorAs(t, c.holds(c.view), &violation)
			require.Equal(t, c.invariant, violation.Invariant)
		})
	}
}

func TestWhatIsMisplacedIsNamed(t *testing.T) {
	require.Empty(t, misplaced(see(aTask("a", 1, "n1", ""), aTask("b", 2, "n2", ""))))

	gone := see(aTask("a", 1, "n1", ""))
	gone.Running = nil
	require.Contains(t, misplaced(gone), "no process of task a on n1")

	left := see(aTask("a", 1, "n1", ""))
	left.Tasks = nil
	require.Contains(t, misplaced(left), "still runs on n1")

	nameless := see(aTask("a", 1, "n1", ""))
	nameless.Nameless = map[string][]string{"n1": {"c1"}}
	require.Contains(t, misplaced(nameless), "container c1 runs on n1")
}

func TestManagersThatSeeDifferentTasksAreNamed(t *testing.T) {
	see := func(version, status int64) []api.TaskView {
		task := aTask("a", 1, "n1", "")
		task.Version, task.Status.Version = version, status
		return []api.TaskView{task}
	}
	waiting := see(1, 0)
	waiting[0].Status = nil
	for name, other := range map[string][]api.TaskView{"an older task": see(0, 2), "an older status": see(1, 1), "no status": waiting, "nothing": nil} {
		require.Equal(t, "managers n1 and n2 do not see the same tasks", differ(map[string][]api.TaskView{"n1": see(1, 2), "n2": other}), name)
	}
	require.Empty(t, differ(map[string][]api.TaskView{"n1": see(1, 2), "n2": see(1, 2)}))
}

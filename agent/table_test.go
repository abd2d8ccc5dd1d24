package agent

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// after is what an action makes of a container and of the task's being over.
func after(g goal, over bool, f found, a action) (bool, found) {
	switch a {
	case prepare:
		return over, created
	case start:
		return over, running
	case stop:
		return over, exited
	case clean:
		return over, none
	case conclude:
		return over || g == goalReady || g == goalEnd || g == goalGone, none
	case finish:
		return true, f
	}
	return over, f
}

func TestTheTableLeadsEveryTaskToItsGoal(t *testing.T) {
	for g := range goals {
		for _, over := range []bool{false, true} {
			for f := range founds {
				nowOver, nowFound := over, f
				steps := 0
				for ; steps < 10; steps++ {
					a := next(g, nowOver, nowFound)
					if a == rest || a == await || a == watch || a == forget {
						break
					}
					nowOver, nowFound = after(g, nowOver, nowFound, a)
				}
				require.Less(t, steps, 10, "goal %d, over %v, found %d: goes round in circles", g, over, f)
				switch last := next(g, nowOver, nowFound); {
				case g == goalRun && !over:
					require.Equal(t, watch, last)
				case g == goalReady && !nowOver:
					require.Equal(t, await, last)
				case g == goalGone:
					require.Equal(t, forget, last)
				default:
					require.Equal(t, rest, last)
					require.Equal(t, none, nowFound)
				}
			}
		}
	}
}

package e2e

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASubnetThatIsUsedUpAndOneThatIsTakenAreTold(t *testing.T) {
	lab := cluster(t)
	network(t, "tiny", "--subnet", "10.77.0.0/29") // six addresses, one of them each service's own
	require.Contains(t, refused(t, "network", "create", "--subnet", "10.77.0.0/28", "other"), "overlaps network tiny")
	require.Contains(t, refused(t, "network", "create", "--subnet", lab.Nodes()[0].Address().String()+"/32", "hosts"), "/29")

	// What is counted before its tasks come is refused, and leaves nothing behind.
	require.Contains(t, refused(t, "service", "create", "--name", "many", "--replicas", "6", "--network", "tiny", "toolbox:1.0"), "tiny")
	require.NotContains(t, orc(t, "service", "ls"), "many")
	// A global service's tasks are not: those that find no address say so.
	orc(t, "service", "create", "--name", "first", "--mode", "global", "--network", "tiny", "toolbox:1.0")
	waitRunning(t, "first", 3)
	orc(t, "service", "create", "--detach", "--name", "second", "--mode", "global", "--network", "tiny", "toolbox:1.0")
	eventually(t, "the tasks that wait say for what", func() error {
		if out := orc(t, "service", "ps", "--no-trunc", "second"); !strings.Contains(out, "waits for an address on network tiny") {
			return errors.New(out)
		}
		return nil
	})
	view, err := connect(t).Network(t.Context(), "tiny")
	require.NoError(t, err)
	require.NotEmpty(t, view.Warnings)
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVolumesAreSeenAndRemovedWhereverTheyAre(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "keeper", "--mode", "global", "--network", "none", "--mount", "source=kept,target=/data", "toolbox:1.0")
	waitRunning(t, "keeper", 3)
	require.Equal(t, "n1,n2,n3 keeper\n", orc(t, "volume", "ls", "--filter", "name=kept", "--format", "{{.Nodes}} {{.UsedBy}}"))
	require.Contains(t, refused(t, "volume", "rm", "kept"), "in use by keeper")
	require.Contains(t, refused(t, "volume", "rm", "--node", "n2", "kept"), "on node n2")
	require.NotContains(t, orc(t, "volume", "prune", "--dry-run"), "kept")

	orc(t, "service", "rm", "keeper")
	eventually(t, "the service is gone", func() error { return leftovers("keeper") })
	orc(t, "volume", "rm", "--node", "n2", "kept")
	require.NoDirExists(t, volumeOn(t, "n2", "kept"))
	require.DirExists(t, volumeOn(t, "n3", "kept"))

	victim := lab.Nodes()[2]
	require.NoError(t, victim.Kill(t.Context()))
	eventually(t, "the node is known to be away", func() error {
		if out := orc(t, "volume", "ls", "--filter", "name=kept", "--format", "{{.Nodes}}"); out != "n1,n3 (away)\n" {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	require.Contains(t, refused(t, "volume", "rm", "kept"), "n3")
	require.NoError(t, victim.Start(t.Context()))
	require.NoError(t, lab.WaitNodes(t.Context()))

	pruned := orc(t, "volume", "prune", "--force")
	for _, node := range lab.Nodes() {
		require.NoDirExists(t, volumeOn(t, node.Name(), "kept"), pruned)
	}
	require.NotContains(t, orc(t, "volume", "ls", "-q"), "kept")
}

func volumeOn(t *testing.T, name, volume string) string {
	t.Helper()
	node, err := shared.Node(name)
	require.NoError(t, err)
	return filepath.Join(node.DataDir(), "volumes", volume)
}

func TestAVolumeIsMountedAsItWasDeclared(t *testing.T) {
	cluster(t)
	orc(t, "volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "fast")
	orc(t, "service", "create", "--name", "tool", "--network", "none", "--mount", "source=fast,target=/fast", "toolbox:1.0")
	waitRunning(t, "tool", 1)
	mounts := orc(t, "exec", "tool.1", "/toolbox", "head", "/proc/self/mounts")
	require.Regexp(t, `(?m)^tmpfs /fast tmpfs .*size=1024k`, mounts)
	orc(t, "service", "rm", "tool")
	eventually(t, "the service is gone", func() error { return leftovers("tool") })
	orc(t, "volume", "rm", "fast")
}

func TestDfAndPruneReachEveryNode(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "clock", "--replicas", "3", "--network", "none", "clock:1.0")
	ran := waitRunning(t, "clock", 3)
	before := orc(t, "system", "df", "--format", "{{.Node}} {{.Type}} {{.Active}}")
	for _, node := range lab.Nodes() {
		require.Contains(t, before, node.Name()+" Containers 1\n")
		require.Contains(t, before, node.Name()+" Logs 1\n")
	}
	require.Contains(t, refused(t, "image", "rm", "clock:1.0"), "in use by clock")

	orc(t, "service", "update", "--force", "clock")
	waitRunning(t, "clock", 3)
	pruned := orc(t, "system", "prune", "--force", "--logs")
	require.Equal(t, 3, strings.Count(pruned, "Log"), pruned)
	for _, task := range ran {
		require.NoDirExists(t, filepath.Join(node(t, task).DataDir(), "agent", "logs", task.ID))
	}
	for _, task := range running(t, "clock") {
		entries, err := os.ReadDir(filepath.Join(node(t, task).DataDir(), "agent", "logs", task.ID))
		require.NoError(t, err)
		require.NotEmpty(t, entries, "what runs keeps its log")
	}
	require.NotContains(t, orc(t, "image", "prune", "--dry-run"), "clock", "what was loaded stays: no registry has it")
	require.Contains(t, orc(t, "image", "prune", "--all", "--dry-run"), "flapper")
}

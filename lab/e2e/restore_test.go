package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/lab"
)

// TestALostManagerIsRestored loses the manager with its disk, and restores the
// cluster on a new one from a snapshot. The workers find it again and go on with
// the containers that they have.
func TestALostManagerIsRestored(t *testing.T) {
	cluster(t)
	first := shared.Nodes()[0]
	orc(t, "service", "create", "-d", "--name", "kept", "--mode", "global", "--constraint", "node.role == worker", "--secret", secret(t), "--network", "none", "clock:1.0")
	waitRunning(t, "kept", 2)
	before := containers(t, "kept")
	snapshot := filepath.Join(t.TempDir(), "cluster.orcsnap")
	orc(t, "snapshot", "save", snapshot)
	key := strings.TrimSpace(orc(t, "unlock-key", "-q"))
	identity := orc(t, "cluster", "inspect", "-f", "{{.Identity}}")
	orc(t, "service", "create", "-d", "--name", "late", "--network", "none", "clock:1.0")
	waitRunning(t, "late", 1)

	ctx, cancel := context.WithTimeout(context.Background(), 2*soon)
	defer cancel()
	require.NoError(t, first.Kill(ctx))
	require.NoError(t, os.RemoveAll(first.DataDir()))
	restore := first.Command(ctx, os.Getenv(binaryVariable), "snapshot", "restore", "--data-dir", first.DataDir(),
		"--name", first.Name(), "--advertise", first.Address().String(), snapshot)
	restore.Stdin = strings.NewReader(key)
	out := &strings.Builder{}
	restore.Stdout, restore.Stderr = out, out
	require.NoError(t, first.Exec(restore), out)
	require.NoError(t, first.Start(ctx))
	require.NoError(t, shared.WaitNodes(ctx))
	// What the new disk lacks; the workers may still be on their way back, for the
	// database that was restored says that they are there.
	eventually(t, "the images are on every node again", func() error {
		_, err := tryOrc(t, "image", "load", filepath.Join(os.Getenv(imagesVariable), "all.tar"))
		return err
	})

	require.Equal(t, identity, orc(t, "cluster", "inspect", "-f", "{{.Identity}}"))
	require.Contains(t, refused(t, "service", "inspect", "late"), "late")
	waitRunning(t, "kept", 2)
	require.Equal(t, before, containers(t, "kept"), "not one container is another")
	orc(t, "service", "create", "-d", "--name", "new", "--replicas", "3", "--secret", "word", "--network", "none", "clock:1.0")
	waitRunning(t, "new", 3)
	requireLabNodes(t)
}

// secret makes one, and removes it when the test has removed its services.
func secret(t *testing.T) string {
	t.Helper()
	orc(t, "secret", "create", "word", write(t, "word", "abracadabra"))
	return "word"
}

// requireLabNodes checks that the cluster has the lab's nodes and no other.
func requireLabNodes(t *testing.T) {
	t.Helper()
	require.ElementsMatch(t, names(shared.Nodes()), strings.Fields(orc(t, "node", "ls", "--format", "{{.Hostname}}")))
}

func names(nodes []*lab.Node) []string {
	var found []string
	for _, node := range nodes {
		found = append(found, node.Name())
	}
	return found
}
